"""`gatehouse explain`: why a request would be let through or refused, without sending it, or why one was.

The problem: "why was I denied?" is the most asked question about gateways, and trying again changes the
answer (a quota is spent, a log is written). The rule: the gateway's own filters are asked for their decision,
none of them spends anything, and what the gateway cannot know is said, too. With a trace id the answer is what
was written down when that request ended (`gateway.cli.past`).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from gateway.cli.call import body_of
from gateway.cli.console import Failure, print_json
from gateway.cli.explanation import print_explanation
from gateway.cli.hints import command
from gateway.cli.instance import Instance, find
from gateway.cli.instance import state_dir as directory_of
from gateway.cli.options import data_option, header_option, json_option, split_header, state_dir_option
from gateway.cli.past import tell_past
from gateway.cli.text import visible
from gateway.cli.tokens import NOBODY, claims_of, token_for

REFUSALS = ("deny", "no_route")


@click.command()
@data_option
@click.argument("method", required=False)
@click.argument("url", required=False)
@click.option("--trace", "trace_id", metavar="ID", help="A request that is over: the trace_id of its answer.")
@header_option
@click.option("--as", "user", metavar="USER", help="As this user: alice, bob, carol, admin, partner, or nobody.")
@click.option("--claims", metavar="JSON", help="As the bearer of a verified token with these claims.")
@click.option("--from", "client", metavar="ADDRESS", help="From this address, in place of 127.0.0.1.")
@click.option(
    "--principal",
    "principals",
    multiple=True,
    metavar="NAME",
    help="With a client certificate of this name (a URI like spiffe://…, or a DNS name); repeatable.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ask this file; nothing needs to run.",
)
@state_dir_option
@json_option
def explain(
    method: str | None,
    url: str | None,
    trace_id: str | None,
    data: str | None,
    headers: tuple[str, ...],
    user: str | None,
    claims: str | None,
    client: str | None,
    principals: tuple[str, ...],
    config: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Say what would happen to a request, or why one was refused.

    Nothing is sent and no quota is spent. URL is a path, or a whole address
    where the host name matters. Exit code 1 when it would be refused, or was.

    \b
    Examples:
      gatehouse explain GET /orders/1001 --as bob
      gatehouse explain DELETE /orders/1001
      gatehouse explain --trace 4bf92f3577b34da6a3ce929d0e0e4736
      gatehouse explain GET /orders --claims '{"sub": "eve", "scope": "profiles:read"}'
      gatehouse explain POST /graphql -d '{"query": "{ me { id } }"}'
      gatehouse explain GET /api/users --config config/shop.yaml
      gatehouse explain PUT /orders/7 --from 192.0.2.7 --principal partner.example
    """
    if trace_id is not None:
        if any((method, url, data, headers, user, claims, config)):
            raise click.UsageError("--trace names a request that is over: nothing else can be said of it")
        tell_past(trace_id, state_dir, as_json)
        return
    if method is None or url is None:
        raise click.UsageError("METHOD and URL say what to ask about, or --trace ID does")
    if user is not None and claims is not None:
        raise click.UsageError("--as and --claims both say who asks; give one of them")
    said = _claims(user, claims, state_dir)
    request = _with_body(_request(method, url, headers, said), data) | _peer(client, principals)
    answer = _offline(config, request) if config else _ask(find(state_dir), request)
    if as_json:
        print_json(answer)
    else:
        who = user or str((said or {}).get("sub", NOBODY))
        print_explanation(answer, who)
        tunnel = request["method"] == "CONNECT"
        if not any(
            (config, claims, headers, data, client, principals, tunnel)
        ):  # then `call` sends the very same request
            line = command(directory_of(state_dir), "call", who, request["method"], request["target"])
            click.echo(f"Send it: {visible(line)}")
    if answer.get("outcome") in REFUSALS:
        raise click.exceptions.Exit(Failure.exit_code)


def _claims(user: str | None, given: str | None, state_dir: Path | None) -> dict[str, Any] | None:
    """What a verified token would say: given, or read from a real token of that user."""
    if given is not None:
        try:
            parsed = json.loads(given)
        except ValueError as error:
            raise click.BadParameter(f"--claims is no JSON: {error}") from None
        if not isinstance(parsed, dict):
            raise click.BadParameter('--claims is no JSON object, like {"sub": "eve", "scope": "orders:read"}')
        return parsed
    if user in (None, NOBODY):
        return None
    return claims_of(token_for(find(state_dir), str(user)))


def _request(method: str, url: str, headers: Iterable[str], claims: dict[str, Any] | None) -> dict[str, Any]:
    """The request to ask about; a path is taken as it was typed, dots, slashes and all."""
    pairs = [list(split_header(header)) for header in headers]
    target, host = url, ""
    if method.upper() == "CONNECT":
        target, host = "/", url
    elif not url.startswith("/"):
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise click.BadParameter(f"{url!r} is neither a path like /orders nor an address like http://host/orders")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc
    if host and not any(name.lower() == "host" for name, _ in pairs):
        pairs.insert(0, ["Host", host])
    return {"method": method.upper(), "target": target, "headers": pairs, "claims": claims}


def _with_body(request: dict[str, Any], data: str | None) -> dict[str, Any]:
    """The question with a body, and with the Content-Type that `call` would give it."""
    if data is None:
        return request
    body, content_type = body_of(data)
    pairs = request["headers"]
    if not any(name.lower() == "content-type" for name, _ in pairs):
        pairs = [*pairs, ["Content-Type", content_type]]
    try:
        return request | {"body": body.decode(), "headers": pairs}
    except UnicodeDecodeError:
        raise click.BadParameter("only a body of UTF-8 text can be asked about") from None


def _peer(client: str | None, principals: tuple[str, ...]) -> dict[str, Any]:
    """What is known of who connects, where something is said about it."""
    if client is not None:
        try:
            ipaddress.ip_address(client)
        except ValueError:
            raise click.BadParameter(f"--from {client!r} is no IP address") from None
    return ({"client": client} if client else {}) | ({"principals": list(principals)} if principals else {})


def _ask(instance: Instance, request: dict[str, Any]) -> dict[str, Any]:
    question = {name: value for name, value in request.items() if name != "target"}
    answer = instance.admin("POST", "/explain", question | {"url": instance.public_url + request["target"]})
    if not isinstance(answer, dict):
        raise Failure("The gateway gave no explanation.")
    return answer


def _offline(config: Path, request: dict[str, Any]) -> dict[str, Any]:
    from gateway.cli.check import load_or_exit
    from gateway.cli.offline import explain_offline

    if any(name.lower() == "authorization" for name, _ in request["headers"]):
        raise click.UsageError("with --config nothing can fetch the issuer's keys: give --claims instead of a token")
    return explain_offline(load_or_exit(config), request)

"""`gatehouse token` and `gatehouse call`: be somebody, and send a request as that somebody.

The problem: to try an API one needs a token, and a token pasted into a command line stays in the shell's
history. The rule: these commands know this installation's demo users, log in through the public gateway as
any client would, and keep the token in a file of mode 0600 until shortly before it expires.
"""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli.call import body_of, print_answer
from gateway.cli.console import Failure, print_json
from gateway.cli.instance import Instance, find
from gateway.cli.options import data_option, header_option, json_option, split_header, state_dir_option
from gateway.cli.tokens import NOBODY, claims_of, dev_token, token_for
from gateway.cli.wire import send

dev_option = click.option("--dev", is_flag=True, help="A token of `run --dev-issuer`, for any name. Development only.")


@click.command()
@click.argument("user")
@click.option("--claims", "show_claims", is_flag=True, help="What the token says, in place of the token.")
@click.option("--fresh", is_flag=True, help="Log in again, even if the last token is still good.")
@dev_option
@click.option("--scope", "scopes", multiple=True, help="With --dev: a scope of the token; repeatable.")
@click.option("--claim", "more", multiple=True, metavar="NAME=VALUE", help="With --dev: a claim; repeatable.")
@state_dir_option
@json_option
def token(
    user: str,
    show_claims: bool,
    fresh: bool,
    dev: bool,
    scopes: tuple[str, ...],
    more: tuple[str, ...],
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Print an access token of a user.

    USER is alice, bob, carol, admin, or partner (a machine client).

    \b
    Examples:
      gatehouse token alice
      gatehouse token alice --claims
      curl -H "Authorization: Bearer $(gatehouse token bob)" http://127.0.0.1:8088/orders
      gatehouse token anna --dev --scope orders:read --claim plan=gold
    """
    instance = find(state_dir)
    if (scopes or more) and not dev:
        raise click.UsageError("--scope and --claim need --dev: what a user of the shop may do is for identity to say")
    if wrong := [one for one in more if not one.partition("=")[0] or "=" not in one]:
        raise click.UsageError(f"{wrong[0]!r} is no claim; write it as plan=gold")
    extra = {name: value for name, _, value in (one.partition("=") for one in more)}
    found = dev_token(instance, user, scopes, extra) if dev else token_for(instance, user, fresh=fresh)
    claims = claims_of(found)
    if as_json:
        print_json({"user": user, "access_token": found, "claims": claims})
    elif show_claims:
        print_json(claims)
    else:
        click.echo(found)


@click.command()
@click.argument("user")
@click.argument("method")
@click.argument("path")
@data_option
@header_option
@click.option("--internal", is_flag=True, help="To the listener named internal, in place of the public one.")
@click.option("--fresh", is_flag=True, help="Log in again, even if the last token is still good.")
@dev_option
@state_dir_option
@json_option
def call(
    user: str, method: str, path: str, data: str | None, headers: tuple[str, ...], internal: bool, fresh: bool,
    dev: bool, state_dir: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Send a request through the gateway as a user.

    USER is alice, bob, carol, admin, partner, or nobody (no token). Exit code 1 when the answer is
    an error (400 or more).

    \b
    Examples:
      gatehouse call alice GET /orders/1001
      gatehouse call nobody GET /products
      gatehouse call alice POST /orders -d '{"items": [{"product_id": 1, "quantity": 2}]}'
      gatehouse call carol --internal GET /reports/check
      gatehouse call bob POST /graphql -d '{"query": "{ products { nodes { name } } }"}'
    """
    if not path.startswith("/"):
        raise click.UsageError(f"PATH starts with a slash, like /orders/1001; {path!r} does not")
    instance = find(state_dir)
    body, content_type = body_of(data)
    sent = [split_header(header) for header in headers]
    names = {name.lower() for name, _ in sent}
    if content_type and "content-type" not in names:
        sent.append(("Content-Type", content_type))
    if user != NOBODY and "authorization" not in names:
        found = dev_token(instance, user) if dev else token_for(instance, user, fresh=fresh)
        sent.append(("Authorization", f"Bearer {found}"))
    begun = time.perf_counter()
    answer = send(_listener(instance, internal), method.upper(), path, headers=sent, body=body)
    print_answer(answer, time.perf_counter() - begun, instance.state_dir, as_json=as_json)
    if not answer.ok:
        raise click.exceptions.Exit(Failure.exit_code)


def _listener(instance: Instance, internal: bool) -> str:
    if not internal:
        return instance.public_url
    if "internal" not in instance.ports:
        raise Failure("This configuration has no listener named internal.")
    return f"http://127.0.0.1:{instance.ports['internal']}"

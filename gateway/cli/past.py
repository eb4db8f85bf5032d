"""`gatehouse explain --trace ID`: what happened to a request that is over.

The problem: the trace id of a refusal is all that its client has. The rule: what the workers wrote down when the
request ended is looked up and told in the words of `explain`; whether gateway or service refused stands in capital
letters, and what a service refused is quoted from the request's trace.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.console import STATE_STYLES, Failure, Misuse, console, print_json
from gateway.cli.explanation import print_way
from gateway.cli.instance import Instance, find, problem_text
from gateway.cli.text import visible

if TYPE_CHECKING:
    from rich.console import Console

SEARCHED = 8_000
"""Latest explanations that are searched for the start of an id."""
BY_GATEWAY = {
    "deny": "refused",
    "no_route": "refused",
    "unreadable": "refused",
    "local_reply": "answered",
    "failed": "answered for the service",
    "cut_off": "broke off the answer",
}
GOOD = ("forwarded", "local_reply")


def tell_past(trace_id: str, state_dir: Path | None, as_json: bool) -> None:
    """Print what happened to the requests of a trace.

    Raises:
        Failure: nothing is known of it.
        Misuse: it is no trace id, or the start of several.
        click.exceptions.Exit: code 1, the request was refused or broken.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{4,32}", trace_id):
        raise Misuse(f"{trace_id!r} is no trace id: 4 to 32 hexadecimal digits")
    found = _fetch(find(state_dir), trace_id.lower())
    if as_json:
        print_json(found)
    else:
        out = console()
        for number, one in enumerate(found["explanations"]):
            if number:
                click.echo()
            _print(out, one, found["services"], _inside(one, found["explanations"]))
    if any(one["outcome"] not in GOOD for one in found["explanations"]):
        raise click.exceptions.Exit(Failure.exit_code)


def _fetch(instance: Instance, trace_id: str) -> dict[str, Any]:
    full = trace_id if len(trace_id) == 32 else _full_id(instance, trace_id)
    answer = instance.admin_answer("GET", f"/explanations/{full}")
    if answer.status == 404:
        raise Failure(f"Nothing is known of {trace_id}.", _why(answer.json()))
    found = answer.json()
    if not answer.ok or not isinstance(found, dict):
        raise Failure(f"The admin API answered {answer.status}: {problem_text(answer)}")
    return found


def _why(problem: Any) -> str:
    return str(problem.get("detail", "")) if isinstance(problem, dict) else ""


def _full_id(instance: Instance, start: str) -> str:
    listed = instance.admin("GET", f"/explanations?limit={SEARCHED}")["explanations"]
    matching = {item["trace_id"] for item in listed if item["trace_id"].startswith(start)}
    if len(matching) > 1:
        raise Misuse(f"{len(matching)} traces start with {start!r}; give more of the id")
    return matching.pop() if matching else start.ljust(32, "0")


def _inside(one: dict[str, Any], explanations: list[dict[str, Any]]) -> str:
    """Which sidecar refused what passed on here as the answer of the service beside it; it tells why itself."""
    beside = f"{one['decided_by']}-"
    others = (other["worker"] for other in explanations if other is not one and other.get("reason"))
    return next((worker for worker in others if worker.startswith(beside)), "")


def _print(out: Console, one: dict[str, Any], services: list[dict[str, Any]], inside: str) -> None:
    from rich.text import Text

    out.print(Text(visible(_title(one)), "bold"), soft_wrap=True)
    print_way(out, one)
    if cluster := one.get("cluster"):
        out.print(f"→ {visible(_cluster(cluster))}")
    style = "green" if one["outcome"] in GOOD else "red"
    out.print(
        Text(visible(_outcome(one, services, inside)), f"bold {STATE_STYLES.get(one['outcome'], style)}"),
        soft_wrap=True,
    )
    for line in () if inside else _more(one, services):
        out.print(visible(line), soft_wrap=True)


def _title(one: dict[str, Any]) -> str:
    what = f"{one['method']} {one['target']} as {one.get('subject') or 'nobody'}" if one.get("method") else "no request"
    place = f"from {one.get('client', '?')}, {one['worker']}"
    return f"{what} · {one['time'].replace('T', ' ').removesuffix('Z')} UTC, {place}"


def _cluster(cluster: dict[str, Any]) -> str:
    where = f", {cluster['endpoint']}" if cluster["endpoint"] else ""
    tries = f", {cluster['attempts']} tries" if cluster["attempts"] > 1 else ""
    answered = f", {cluster['status']} after {cluster['duration_ms']:.1f} ms" if cluster["status"] else ""
    planted = f", PLANTED BY faults: {cluster['planted']}" if cluster.get("planted") else ""
    return f"cluster {cluster['name']}{where}{tries}{answered}{planted}"


def _outcome(one: dict[str, Any], services: list[dict[str, Any]], inside: str) -> str:
    if one["outcome"] == "service_refused" and inside:
        return f"SIDECAR {inside}: refused with {one['status']}, as it tells itself"
    if one["outcome"] == "service_refused":
        first = services[0] if services else {}
        reason = f", reason {first['reason']}" if first.get("reason") else ""
        return f"SERVICE {first.get('service', one['decided_by'])}: refused with {one['status']}{reason}"
    if one["outcome"] == "client_gone":
        return "CLIENT: left before its answer was complete"
    if one["outcome"] == "forwarded":
        return f"SERVICE {one['decided_by']}: answered {one['status']}; the gateway let the request pass"
    words = BY_GATEWAY.get(one["outcome"], one["outcome"])
    reason = f", reason {one['reason']}" if one.get("reason") else ""
    policy = f", by {one['policy']}" if one.get("policy") else ""
    decider = "GATEWAY" if one["worker"].startswith("gateway-") else f"SIDECAR {one['worker']}"
    return f"{decider}: {words} with {one['status']}{reason}{policy}"


def _more(one: dict[str, Any], services: list[dict[str, Any]]) -> list[str]:
    """What the client was told, what lay behind a service's refusal, and where to read on."""
    lines = [f"Told: {one['detail']}"] if one.get("detail") else []
    if one["outcome"] == "service_refused" and not services:
        lines.append("The gateway passed its answer on unread; a trace would tell more, and takes a second to arrive.")
    behind = services[1:] if one["outcome"] == "service_refused" else services
    lines += [
        f"Before that {each['service']} had answered {each['status']} {each['reason']}".rstrip() for each in behind
    ]
    if one.get("reason") and one["outcome"] != "client_gone":
        lines.append(f"What to do: docs/problems.md, {one['reason']}")
    return lines

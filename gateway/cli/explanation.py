"""How an explanation is printed: route, each filter's decision with its line, outcome, and what stays open."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gateway.cli.console import STATE_STYLES, console
from gateway.cli.text import visible

if TYPE_CHECKING:
    from rich.console import Console

OUTCOMES = {
    "forward": "would forward",
    "deny": "would refuse",
    "no_route": "would refuse",
    "local_reply": "would answer",
}
OTHERS_TOLD = 3


def print_explanation(answer: dict[str, Any], who: str, decider: str = "GATEWAY") -> None:
    """Print what the gateway, or another `decider`, said about a request of `who`."""
    from rich.text import Text

    out = console()
    title = f"{answer['method']} {answer['target']} as {who} · nothing sent, nothing spent"
    out.print(Text(visible(title), "bold"), soft_wrap=True)
    print_way(out, answer)
    if cluster := answer.get("cluster"):
        clusters = answer.get("clusters") or [cluster]
        out.print(f"→ {visible(_clusters(clusters))}")
        for one in clusters:
            for bad in one.get("unhealthy", ()):
                out.print(Text(f"  {visible(bad)}"), soft_wrap=True)
    out.print(Text(visible(f"{decider}: {_outcome(answer)}"), f"bold {STATE_STYLES.get(answer['outcome'], 'yellow')}"))
    for open_question in answer.get("not_decided_here", ()):
        out.print(f"NOT DECIDED HERE: {visible(open_question)}", soft_wrap=True)


def print_way(out: Console, answer: dict[str, Any]) -> None:
    """The route and what each filter said, in columns."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, verdict, detail, where in _rows(answer):
        grid.add_row(
            visible(name),
            Text(visible(verdict), STATE_STYLES.get(verdict, "")),
            visible(detail),
            Text(visible(where), "dim"),
        )
    if grid.row_count:
        out.print(grid)


def _rows(answer: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What, verdict, detail and line: the route, the routes that came near, and every filter that was asked."""
    route = answer.get("route") or {}
    file = str(route.get("where", "")).rpartition(":")[0]
    if route:
        facts = (route.get("match") or route.get("matched"), "public" if route.get("public") else "")
        yield "route", route["name"], ", ".join(filter(None, facts)), route.get("where", "")
    for other in _near(answer):
        yield "", other["route"], other["text"], _short(other["where"], file)
    for name, value in answer.get("seen", ()):
        yield "", name, value, ""
    for number, step in enumerate(answer.get("steps", ()), 1):
        yield f"{number} {step['filter']}", step["verdict"], step.get("detail", ""), _short(step.get("where", ""), file)


def _near(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Without a route: whatever matched the path. With one: those that lost against it."""
    others = [one for one in answer.get("candidates", ()) if not one["chosen"]]
    if answer.get("route"):
        others = [one for one in others if one["text"].startswith("would match")]
    return others[:OTHERS_TOLD]


def _short(where: str, file: str) -> str:
    """`:12` for a line of the route's own file."""
    return where.removeprefix(file) if file else where


def _clusters(clusters: list[dict[str, Any]]) -> str:
    return " or ".join(f"cluster {one['name']}, {_endpoints(one)}" for one in clusters)


def _endpoints(cluster: dict[str, Any]) -> str:
    if not cluster.get("total"):
        return "whose endpoints are not known here"
    return f"{cluster['healthy']} of {cluster['total']} endpoint{'' if cluster['total'] == 1 else 's'} healthy"


def _outcome(answer: dict[str, Any]) -> str:
    words = OUTCOMES.get(answer["outcome"], answer["outcome"])
    status = f" with {answer['status']}" if answer.get("status") else ""
    reason = f", reason {answer['reason']}" if answer.get("reason") else ""
    return f"{words}{status}{reason}"

"""How an explanation is printed: the route, each filter's decision with its line, the outcome, its limits."""

from __future__ import annotations

from typing import Any

from gateway.cli.console import STATE_STYLES, console
from gateway.cli.text import visible

STATUS_WORDS = {
    "forward": "would forward",
    "deny": "would refuse",
    "no_route": "no route",
    "local_reply": "would answer",
}


def print_explanation(answer: dict[str, Any], who: str) -> None:
    """Print what the gateway said about a request of `who`."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    out.print(
        Text(
            f"{visible(answer['method'])} {visible(answer['target'])} as {visible(who)} · nothing sent",
            "bold",
        )
    )
    route = answer.get("route")
    grid = Table.grid(padding=(0, 2, 0, 0))
    if route:
        public = " (public)" if route.get("public") else ""
        what = Text(visible(f"{route['name']}{public}"), "bold")
        grid.add_row("route", what, visible(route.get("match", "")), Text(visible(route.get("where", "")), "dim"))
    file = _file_of(route.get("where", "") if route else "")
    for number, step in enumerate(answer.get("steps", ()), 1):
        grid.add_row(*_step_row(number, step, file))
    out.print(grid)
    if cluster := answer.get("cluster"):
        out.print(f"→ cluster {visible(cluster['name'])}, {_endpoints(cluster)}")
    out.print(_outcome(answer))
    for open_question in answer.get("not_decided_here", ()):
        out.print(f"NOT DECIDED HERE: {visible(open_question)}")


def _step_row(number: int, step: dict[str, Any], file: str) -> tuple[Any, ...]:
    from rich.text import Text

    verdict = visible(step.get("verdict", ""))
    where = visible(step.get("where", ""))
    shown = where.removeprefix(file) if file else where
    return (
        Text(f"{number} {visible(step.get('filter', ''))}"),
        Text(verdict, STATE_STYLES.get(verdict, "")),
        Text(visible(step.get("detail", ""))),
        Text(shown, "dim"),
    )


def _file_of(where: str) -> str:
    """The file of `shop.yaml:41`; lines of the same file are then shown as `:12`."""
    return visible(where.rpartition(":")[0])


def _endpoints(cluster: dict[str, Any]) -> str:
    total, healthy = cluster.get("total"), cluster.get("healthy")
    if total is None:
        return "endpoints not known here"
    return f"{healthy if healthy is not None else '?'} of {total} endpoints healthy"


def _outcome(answer: dict[str, Any]) -> Any:
    from rich.text import Text

    outcome = str(answer.get("outcome", ""))
    words = STATUS_WORDS.get(outcome, visible(outcome))
    status = f" with {answer['status']}" if answer.get("status") else ""
    reason = f", reason {visible(answer['reason'])}" if answer.get("reason") else ""
    style = STATE_STYLES.get(outcome, "yellow")
    return Text(f"GATEWAY: {words}{status}{reason}", f"bold {style}")

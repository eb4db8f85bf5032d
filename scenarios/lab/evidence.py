"""More evidence of a run, for the page that is handed out: the trace, log lines, counters, and the line that decided.

The problem: a status is told by whoever answers; a trainer's page should show who did what meanwhile. The rule: it is
taken from what runs, as an operator would: the trace collector, the log files, the metrics before and after, and the
configuration that was in force in that moment. It costs a second or two, so the self-check does without.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.cli.trace import complete_trace
from gateway.cli.waterfall import ordered, what
from gateway.cli.wire import send
from scenarios.lab.client import Exchange

if TYPE_CHECKING:
    from scenarios.lab.judge import Run
    from scenarios.lab.target import Target

PATIENCE_S: Final = 5.0
TOLD_AFTER_S: Final = 1.2
"""Workers tell once a second what they have counted."""
MAX_LINES: Final = 8
MAX_COUNTERS: Final = 10
MAX_LOG: Final = 4_194_304
"""Bytes at the end of a log file that are searched."""
COUNTED: Final = re.compile(r"^((?:gateway|http_server)_\w+?)(?:_total|_count)(\{[^}]*\})? ([0-9.e+]+)", re.MULTILINE)
EMPTY: Final = re.compile(r'\b\w+="",?')
"""Labels that say nothing."""
TOLD: Final = ("time", "level", "message", "method", "path", "route", "status", "reason", "policy", "subject")
"""What of a log line is shown; the file has more."""


@dataclass(frozen=True)
class Bar:
    """A span of the trace, as it is drawn; times in percent of the whole."""

    depth: int
    service: str
    name: str
    start: float
    length: float
    ms: float
    what: str


@dataclass(frozen=True)
class Evidence:
    """What was left behind by the request that tells most."""

    exchange: Exchange
    bars: tuple[Bar, ...]
    logs: tuple[tuple[str, str], ...]
    """File and line."""
    counters: tuple[tuple[str, float], ...]
    """Which have grown during the attack, and by how much; those that grew most."""
    line: str
    """The line of the configuration that decided, as it was in force."""


class Watch:
    """Looks at the counters before an attack, and at everything after it."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._before = _counters(target)

    def of(self, run: Run) -> Evidence | None:
        """What the run has left behind."""
        one = telling(run)
        if one is None:
            return None
        grown = self._settled()
        counters = sorted(((name, by) for name, by in grown.items() if by > 0), key=lambda one: (-one[1], one[0]))
        return Evidence(
            one,
            tuple(_bars(self._target, one.trace_id)),
            tuple(_logs(self._target, one.trace_id))[:MAX_LINES],
            tuple(counters[:MAX_COUNTERS]),
            line_of(self._target, one.policy),
        )

    def _settled(self) -> dict[str, float]:
        """What has grown, once it is told: workers keep to themselves for a second what they count."""
        deadline, last = time.monotonic() + PATIENCE_S, self._grown()
        while time.monotonic() < deadline:
            time.sleep(TOLD_AFTER_S)
            if (now := self._grown()) == last and any(now.values()):
                break
            last = now
        return last

    def _grown(self) -> dict[str, float]:
        return {name: value - self._before.get(name, 0) for name, value in _counters(self._target).items()}


def telling(run: Run) -> Exchange | None:
    """The request that tells most of one run: the named one, else what got through, or what was refused."""
    named = [one for one in run.attack_evidence if one.request == run.outcome.shows]
    traced = [one for one in run.attack_evidence if one.trace_id]
    through = [one for one in traced if one.status and one.status < 400]
    refused = [one for one in traced if one.reason]
    best = through if run.outcome.breached else refused
    return next(iter([*named, *best, *traced, *run.attack_evidence]), None)


def _bars(target: Target, trace_id: str) -> Iterator[Bar]:
    if not trace_id:
        return
    answer = complete_trace(lambda: _trace(target, trace_id), PATIENCE_S)
    if answer is None:
        return
    whole = max(float(answer["duration_ms"]), 0.001)
    for depth, span in ordered(answer["spans"]):
        start = min(99.0, max(0.0, 100 * span["start_ms"] / whole))
        length = min(100 - start, max(1.0, 100 * span["duration_ms"] / whole))
        yield Bar(depth, span["service"], span["name"], start, length, span["duration_ms"], what(span, 120))


def _trace(target: Target, trace_id: str) -> dict[str, Any] | None:
    answer = target.instance.admin_answer("GET", f"/traces/{trace_id}")
    found = answer.json() if answer.ok else None
    return found if isinstance(found, dict) else None


def _logs(target: Target, trace_id: str) -> Iterator[tuple[str, str]]:
    """Lines with this trace, of every process."""
    for file in sorted((target.instance.state_dir / "logs").glob("*.log")) if trace_id else ():
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - MAX_LOG))
            lines = log.read().decode("utf-8", "replace").splitlines()
        yield from ((file.stem, shown(line)) for line in lines if trace_id in line)


def shown(line: str) -> str:
    """A line of a log, as far as it is worth reading aloud."""
    try:
        said = json.loads(line)
    except ValueError:
        return line[:300]
    if not isinstance(said, dict):
        return line[:300]
    kept = {name: said[name] for name in TOLD if said.get(name) not in (None, "", [])}
    return " ".join(f"{name}={value}" for name, value in kept.items())


def _counters(target: Target) -> dict[str, float]:
    text = send(target.instance.admin_url, "GET", "/metrics").body.decode("utf-8", "replace")
    return {
        name + EMPTY.sub("", labels): float(value)
        for name, labels, value in COUNTED.findall(text)
        if not name.startswith("gateway_collector")  # of our own looking
    }


def line_of(target: Target, policy: str) -> str:
    """The text of a line that decided: `shop.yaml:41`, of the file or of the copy that stands in for it."""
    match = re.fullmatch(r"([\w.-]+):(\d+)", policy)
    if match is None:
        return ""
    mesh = target.architecture == "mesh" and match[1] == "mesh.yaml"
    lines = target.copies.in_force("mesh" if mesh else "gateway").read_text("utf-8").splitlines()
    number = int(match[2])
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""

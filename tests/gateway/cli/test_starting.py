from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.starting import Progress, tell

EVENTS: list[dict[str, Any]] = [
    {"event": "checking"},
    {"event": "note", "text": "Redis is old [bold]\x1b[2J"},
    {"event": "starting", "processes": ["orders", "alerts"]},
    {"event": "ready", "name": "orders", "seconds": 0.5},
    {"event": "ended", "name": "alerts", "reason": "exit code 1"},
    {"event": "something newer"},
]


def test_a_pipe_gets_one_line_per_event(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        for event in EVENTS:
            progress.show(event)
    assert capsys.readouterr().err.splitlines() == [
        r"Note: Redis is old [bold]\x1b[2J",
        "orders is ready after 0.50 s",
        "alerts ended: exit code 1",
    ]


def test_a_terminal_shows_every_process_and_how_far_it_is() -> None:
    progress = Progress()
    for event in EVENTS:
        progress.show(event)
    screen = Console(file=io.StringIO(), width=80)
    with screen.capture() as shown:
        screen.print(progress._table())
    assert [line.split() for line in shown.get().splitlines()] == [
        ["✓", "orders", "ready", "after", "0.50", "s"],
        ["…", "alerts", "ended:", "exit", "code", "1"],
    ]


def test_what_happens_later_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    for event in [*EVENTS, {"event": "stopping"}, {"event": "stopped", "name": "orders"}, {"event": "stopped"}]:
        tell(event)
    said = capsys.readouterr().out
    assert "orders is ready" in said
    assert "alerts ended (exit code 1); it is started again" in said
    assert said.endswith("Stopping …\nEverything is stopped.\n")

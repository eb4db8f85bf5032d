"""Watching an attack: each request is told as it is answered, and waits for Enter before it is sent, if wanted.

The problem: an attack of a second is over before anybody has seen it. The rule: it is the same attack, only slower; a
program that watches (the console) reads one JSON object a line, and presses Enter as a person does. Requests of a
crowd are not stepped through: they belong together.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from scenarios.lab.client import Exchange
    from scenarios.lab.judge import Run

MOST = 200
"""Requests that are told of each phase."""
Phase = Literal["attack", "honest"]


class Watcher:
    """Tells what the lab's client sends."""

    def __init__(self, *, step: bool, events: bool) -> None:
        self._step, self._events = step, events
        self._phase: Phase = "attack"
        self._told = 0

    def begin(self, weakened: bool) -> None:
        """Before the first request: whether the control was off then."""
        if self._events:
            tell("begin", weakened=weakened)

    def enter(self, phase: Phase) -> None:
        """From now on it is others who send."""
        self._phase, self._told = phase, 0

    def before(self, who: str, request: str) -> None:
        """Before a request is sent."""
        if not self._step or threading.current_thread() is not threading.main_thread():
            return
        if self._events:
            tell("next", phase=self._phase, who=who, request=request)
        else:
            click.echo(f"{self._phase}: {who} sends {request}   [Enter]", nl=False)
        if not sys.stdin.readline():  # nobody presses Enter any more: go on to the end
            self._step = False

    def after(self, exchange: Exchange) -> None:
        """A request was answered."""
        self._told += 1
        if self._told > MOST:
            return
        if self._events:
            tell("exchange", phase=self._phase, **exchange.view())
        elif self._step:
            from scenarios.lab.show import answered, decider

            click.echo(f"  {answered(exchange)}, decided by {decider(exchange)}")

    def done(self, run: Run) -> None:
        """What it came to; the requests have been told."""
        if self._events:
            tell("outcome", **{name: value for name, value in run.view().items() if name not in ("attack", "honest")})


def tell(event: str, **facts: Any) -> None:
    """One line."""
    click.echo(json.dumps({"event": event, **facts}))
    sys.stdout.flush()

"""The process in which an incident runs: `python -m scenarios.incidents.director`, its order on standard input.

    gatehouse incident start ──▶ keeper ──▶ worker: load, fault, a look each second
            │ "go" when it runs     │ waits, restores what its worker has left     │ restores at its end

The problem: whoever started an incident closes the terminal, presses Ctrl-C, or is killed, and the shop stays broken.
The rule: each of the three notices the end of another by a closed pipe. A starter that goes before it has said "go"
ends the incident; so does a keeper that is killed; and what a killed worker leaves its keeper puts right. All of them
at once: what was done is written down, and the next `gatehouse incident` undoes it.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.instance import find
from scenarios.incidents import case as cases
from scenarios.incidents.bench import Bench
from scenarios.incidents.case import Case
from scenarios.incidents.catalogue import catalogue
from scenarios.incidents.load import Load, under
from scenarios.incidents.observer import SCRAPE_SECONDS, Observer

TICK = 0.1
GO = b"go\n"
log = logging.getLogger("incident")


@dataclass(frozen=True)
class Order:
    """What is wanted."""

    state_dir: str
    incident: str
    surprise: bool
    seconds: float
    """After which it ends by itself."""
    warm: float
    """Seconds of load before the fault, so that there is a before."""
    lock_fd: int
    """The lab's lock; held for as long as keeper or worker live."""

    def line(self) -> bytes:
        """As the director reads it."""
        return json.dumps(asdict(self)).encode() + b"\n"


class Pipe:
    """The end of a pipe at whose other end somebody lives."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.said = b""
        self.closed = False

    def look(self) -> None:
        """Read what there is."""
        while not self.closed and select.select([self._fd], [], [], 0)[0]:
            piece = os.read(self._fd, 64)
            self.said, self.closed = (self.said + piece)[-64:], not piece


class Worker:
    """Runs one incident from its first visitor to the restored shop."""

    def __init__(self, order: Order, starter: Pipe, keeper: Pipe) -> None:
        self._directory, self._warm = Path(order.state_dir), order.warm
        self._incident = catalogue()[order.incident]
        instance = find(self._directory)
        self._bench, self._instance = Bench(instance), instance
        now = time.time()
        self._case = Case(order.incident, order.surprise, now, now + order.seconds)
        self._observer = Observer(instance, self._incident, self._case)
        self._starter, self._keeper = starter, keeper
        self._told_to_stop = False

    def run(self) -> None:
        """Until somebody ends it."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._case.save(self._directory)
        try:
            with under(Load(self._instance)):
                self._play()
        except Failure as failure:
            self._case.why = str(failure)
            log.exception("the incident failed")
        finally:
            finish(self._case, self._bench, self._directory)

    def _play(self) -> None:
        if not self._watch(time.time() + self._warm):
            return
        began = time.time()
        self._incident.inject(self._bench)
        self._case.began, self._case.phase = began, "running"
        self._case.save(self._directory)
        if self._watch(self._case.until):
            self._case.why = "its time was over"

    def _watch(self, until: float) -> bool:
        """A look each second; whether the time was reached, and not the end."""
        look_at = 0.0
        while time.time() < until:
            if why := self._why_stop():
                self._case.why = why
                return False
            if time.monotonic() >= look_at:
                look_at = time.monotonic() + SCRAPE_SECONDS
                self._observer.look()
                self._case.save(self._directory)
            time.sleep(TICK)
        return True

    def _why_stop(self) -> str:
        self._starter.look()
        self._keeper.look()
        if cases.asked_to_stop(self._directory):
            return "asked for"
        if self._told_to_stop or self._keeper.closed:
            return "the incident's process was told to end"
        if self._starter.closed and GO not in self._starter.said:
            return "the command that started it was interrupted"
        return "" if (self._directory / "instance.json").exists() else "the shop was stopped"

    def _stop(self, *_: Any) -> None:
        self._told_to_stop = True


def finish(case: Case, bench: Bench, directory: Path) -> None:
    """Put everything back, and say so."""
    case.phase, began = "ending", time.time()
    case.save(directory)
    try:
        restore(bench, directory)
        case.phase = "ended"
    except Failure as failure:
        case.phase, case.why = "failed", f"Not everything could be undone: {failure}"
        log.exception("not restored")
    case.ended, case.restored_in = time.time(), round(time.time() - began, 2)
    case.save(directory)


def restore(bench: Bench, directory: Path) -> None:
    """Undo what was done; a shop that has gone took it along.

    Raises:
        Failure: the shop runs, and something could not be undone.
    """
    try:
        bench.restore()
    except Failure:
        if (directory / "instance.json").exists():
            raise
        bench.disown()


def keep(order: Order) -> None:
    """Start a worker, wait for it, and restore what it has left."""
    alive, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(held)
        Worker(order, Pipe(0), Pipe(alive)).run()
        return
    os.close(alive)
    os.close(0)  # whether the starter lives is the worker's matter
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    os.waitpid(child, 0)
    directory = Path(order.state_dir)
    known = cases.load(directory)
    if known is not None and known.phase not in ("ended", "failed"):
        known.why = "the incident's process was killed"
        finish(known, Bench(find(directory)), directory)


def main() -> None:
    """Read the order and carry it out."""
    with open(0, "rb", buffering=0, closefd=False) as told:  # "go" comes later
        order = Order(**json.loads(told.readline()))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    os.umask(0o077)
    with ExitStack() as stack:
        stack.callback(os.close, order.lock_fd)
        keep(order)


if __name__ == "__main__":
    main()

"""How long the caller of the request in hand still waits, and what follows from that.

The problem: a caller who has given up leaves its work behind, in every service that the request had reached; under
load that is most of what they do, and all of it for nobody. The rule: whoever calls says how many milliseconds it
waits (the gateway with `timeouts.propagate`, our own client always, by Envoy's header); the time travels with the
request's context, each call onwards has only what is left of it, and when it is over the work ends with 504.

The header holds a duration, so that clocks need not agree; what a request waited in a socket before it was read is
not in it.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
from collections.abc import Awaitable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sample_services.kit.problems import Problem

HEADER = "X-Envoy-Expected-Rq-Timeout-Ms"
T = TypeVar("T")

_MILLISECONDS = re.compile(r"[1-9][0-9]{0,8}", re.ASCII)
_ENDS: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)
_APART: set[asyncio.Task[Any]] = set()


class DeadlineExceeded(Problem):
    """Nobody waits for the answer any more."""

    def __init__(self) -> None:
        super().__init__(504, "deadline_exceeded", "the caller no longer waits for this")


def stated(values: Sequence[str]) -> float | None:
    """Seconds, from the header's lines; None when it is absent or malformed, or says two things."""
    return int(values[0]) / 1000 if len(values) == 1 and _MILLISECONDS.fullmatch(values[0]) else None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What runs in this block, and all that it calls or starts, has so much time."""
    token = _ENDS.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ENDS.reset(token)


def ends() -> float | None:
    """On the monotonic clock, when the request in hand must have its answer; None where nobody said."""
    return _ENDS.get()


def left() -> float | None:
    """Seconds until then.

    Raises:
        DeadlineExceeded: there are none.
    """
    end = _ENDS.get()
    if end is None:
        return None
    check(end)
    return end - time.monotonic()


def check(end: float | None) -> None:
    """For threads, which have no context: `end` is what `ends` said.

    Raises:
        DeadlineExceeded: it is past.
    """
    if end is not None and time.monotonic() >= end:
        raise DeadlineExceeded


def apart(work: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """Work that many requests wait for: it goes on when the one that began it has run out of time."""
    context = contextvars.copy_context()
    context.run(_ENDS.set, None)
    task = asyncio.get_running_loop().create_task(work, context=context)
    _APART.add(task)
    task.add_done_callback(_APART.discard)
    return asyncio.shield(task)

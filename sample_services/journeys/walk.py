"""Walking a journey: step by step, until its end or the first step that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sample_services.journeys.client import Wrong
from sample_services.journeys.world import World

JOURNEY_SECONDS = 30.0


class Walk:
    """One journey of somebody: the world, and which step they are at."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.at = "begin"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What is done in this block is the step of that name."""
        self.at = name
        yield


Journey = Callable[[Walk], Awaitable[None]]


@dataclass(frozen=True)
class Outcome:
    """How a journey ended; `step` and `why` only when it failed."""

    journey: str
    passed: bool
    seconds: float
    step: str = ""
    why: str = ""


async def walk(name: str, journey: Journey, world: World) -> Outcome:
    """Take the journey; whatever goes wrong ends it, and nothing else."""
    one, started = Walk(world), time.perf_counter()
    try:
        async with asyncio.timeout(JOURNEY_SECONDS):
            await journey(one)
    except TimeoutError:
        why = f"not done after {JOURNEY_SECONDS:g} s"
    except Wrong as wrong:
        why = str(wrong)
    except (LookupError, TypeError, ValueError) as error:
        why = f"the answer has another form: {type(error).__name__}: {error}"
    else:
        return Outcome(name, True, time.perf_counter() - started)
    return Outcome(name, False, time.perf_counter() - started, one.at, why)


def check(true: bool, otherwise: str) -> None:
    """Say that something must hold.

    Raises:
        Wrong: it does not.
    """
    if not true:
        raise Wrong(otherwise)

"""Waiting for what other tasks and processes bring about: as long as it takes, within a bound that no machine needs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


async def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Let others run until it holds.

    Raises:
        AssertionError: it does not in that time.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds:g} s"
        await asyncio.sleep(0.002)

"""Passwords: Argon2id, off the event loop, a few at a time.

The problem: a good password hash takes 20 ms and 7 MiB on purpose, so a flood of logins is a flood of work; and
a login that answers faster for unknown names tells who has an account. The rule: a small pool of threads, a
bounded queue that refuses instead of growing, and the same work whether the user exists or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from sample_services.kit.problems import Problem

THREADS = 2
MAX_WAITING = 32
MIN_CHARS = 12
MAX_CHARS = 128

T = TypeVar("T")

# OWASP Password Storage Cheat Sheet lists m=19 MiB, t=2 and m=7 MiB, t=5 as equally strong; malloc keeps a block per
# thread for good, so the small one.
HASHER = PasswordHasher(time_cost=5, memory_cost=7_168, parallelism=1)


class Passwords:
    """Hashes and verifies in its own threads; `hasher` decides the cost."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._pool = ThreadPoolExecutor(THREADS, "argon2")
        self._waiting = 0
        self._nobody = self._pool.submit(hasher.hash, "the password of nobody").result()

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right. None (no such user) does the same work and is always wrong.

        Raises:
            Problem: 503 `overloaded` when 32 others are waiting already.
        """
        matches = await self._run(lambda: self._matches(password_hash or self._nobody, password))
        return matches and password_hash is not None

    async def hash(self, password: str) -> str:
        """The hash to store, with its parameters and salt.

        Raises:
            Problem: 503 `overloaded` when 32 others are waiting already.
        """
        return await self._run(lambda: self._hasher.hash(password))

    def close(self) -> None:
        """End the threads once they are idle."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerifyMismatchError:
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= THREADS + MAX_WAITING:
            raise Problem(503, "overloaded", "too many logins at once", headers={"Retry-After": "2"})
        self._waiting += 1
        # Counted until the thread is done, not until the caller has lost patience: it is the work that is bounded.
        future = asyncio.get_running_loop().run_in_executor(self._pool, work)
        future.add_done_callback(lambda _: self._done())
        return await asyncio.shield(future)

    def _done(self) -> None:
        self._waiting -= 1

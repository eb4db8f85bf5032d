"""Password hashing: right, constant in work, bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Literal

import pytest
from argon2 import PasswordHasher, extract_parameters

from sample_services.identity.passwords import HASHER, MAX_WAITING, THREADS, Passwords
from sample_services.kit.problems import Problem


class CountingHasher(PasswordHasher):
    """Cheap parameters; counts verifications, and can be held."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str | bytes] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - the base class' name
        self.verified.append(hash)
        assert self.go_on.wait(5)
        return super().verify(hash, password)


@pytest.fixture
def hasher() -> CountingHasher:
    return CountingHasher()


@pytest.fixture
def passwords(hasher: CountingHasher) -> Iterator[Passwords]:
    passwords = Passwords(hasher)
    yield passwords
    passwords.close()


async def test_only_the_right_password_is_right(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert await passwords.verify(stored, "correct horse")
    assert not await passwords.verify(stored, "correct house")


async def test_nobody_costs_a_verification_and_is_never_right(passwords: Passwords, hasher: CountingHasher) -> None:
    assert not await passwords.verify(None, "anything")
    assert not await passwords.verify(None, "the password of nobody")
    assert len(hasher.verified) == 2
    assert extract_parameters(str(hasher.verified[0])).time_cost == hasher.time_cost


async def test_the_loop_runs_on_and_the_queue_is_bounded(passwords: Passwords, hasher: CountingHasher) -> None:
    hasher.go_on.clear()
    waiting = [asyncio.create_task(passwords.verify(None, "x")) for _ in range(THREADS + MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Problem) as caught:
        await passwords.verify(None, "x")
    assert (caught.value.status, caught.value.reason) == (503, "overloaded")
    waiting[-1].cancel()  # its work still waits for a thread, so there is still no room
    await asyncio.gather(waiting[-1], return_exceptions=True)
    with pytest.raises(Problem, match="overloaded"):
        await passwords.verify(None, "x")
    hasher.go_on.set()
    assert await asyncio.gather(*waiting[:-1]) == [False] * (THREADS + MAX_WAITING - 1)
    assert not await passwords.verify(None, "x")


def test_the_cost_is_one_that_owasp_lists() -> None:
    assert (HASHER.memory_cost, HASHER.time_cost, HASHER.parallelism) == (7 * 1024, 5, 1)
    assert HASHER.type.name == "ID"

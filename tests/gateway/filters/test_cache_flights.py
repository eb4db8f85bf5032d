"""Whoever waits is woken, whoever leaves passes its turn on, and a flight never stays without somebody who leads it."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.filters.cache_flights import Flight
from gateway.filters.cache_key import Key, Place
from gateway.filters.cache_store import Zone
from gateway.http.messages import Request
from gateway.spec.models import CacheZone

KEY = (Key(Place("a", "/"), "http", "", "all", ()), False, b"")


def zone() -> Zone:
    return Zone(CacheZone(name="main"), lambda: 0.0)


def request(number: int = 0) -> Request:
    return Request("GET", f"/{number}", "", [], {}, "a")


async def turns() -> None:
    """Let everybody run who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_was_to_lead_and_left_in_the_same_moment_passes_it_on() -> None:
    memory, leader, one, other = zone(), request(0), request(1), request(2)
    flight = Flight(memory, KEY, leader)
    tasks = [asyncio.create_task(flight.wait(each, 5.0)) for each in (one, other)]
    await turns()
    flight.give_up(leader)
    assert flight.leader is one
    tasks[0].cancel()
    await turns()
    assert flight.leader is other
    assert await tasks[1] is True
    assert memory.flights == {KEY: flight}


async def test_when_nobody_waits_it_is_over() -> None:
    memory, leader = zone(), request()
    flight = Flight(memory, KEY, leader)
    flight.give_up(request(1))  # does not lead
    assert memory.flights == {KEY: flight}
    flight.give_up(leader)
    assert memory.flights == {}


async def test_time_that_is_up_is_no_turn() -> None:
    flight = Flight(zone(), KEY, request())
    assert await flight.wait(request(1), 0.001) is False
    assert len(flight) == 0


async def test_landing_wakes_all() -> None:
    memory = zone()
    flight = Flight(memory, KEY, request())
    tasks = [asyncio.create_task(flight.wait(request(number), 5.0)) for number in range(3)]
    await turns()
    flight.land()
    assert await asyncio.gather(*tasks) == [False] * 3
    assert (memory.flights, len(flight)) == ({}, 0)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["wait", "leave", "fail", "settle"]), st.integers(0, 5)), max_size=30))
def test_there_is_always_somebody_who_leads(steps: list[Any]) -> None:
    async def play() -> None:
        memory, leader = zone(), request(99)
        flight = Flight(memory, KEY, leader)
        waiting: dict[asyncio.Task[bool], Request] = {}
        leading: Request | None = leader
        for what, number in steps:
            if what == "wait" and memory.flights:
                one = request(number)
                waiting[asyncio.create_task(flight.wait(one, 5.0))] = one
                await turns()
            elif what == "leave" and waiting:
                list(waiting)[number % len(waiting)].cancel()
            elif what == "fail" and leading is not None:
                flight.give_up(leading)
                leading = None
            else:
                await turns()
            for task in [task for task in waiting if task.done()]:
                one = waiting.pop(task)
                if not task.cancelled() and task.result():
                    leading = one
        await turns()
        promised = [one for one in waiting.values() if one is flight.leader]
        assert not memory.flights or leading is flight.leader or promised
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(play())

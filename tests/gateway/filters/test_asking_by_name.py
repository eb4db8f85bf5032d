"""Helpers that are given by host name: connected to by address, spoken to by name, waited for at the start."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.filters.asking import Unanswered, ask
from gateway.observability.registry import Counter
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster
from gateway.upstream.discovery import Discovery
from tests.gateway.upstream.names import Names

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def named(names: Names, endpoint: str) -> Cluster:
    spec = ClusterSpec(name="helper", endpoints=(endpoint,))
    discovery = Discovery(spec, names, Counter("dns", "", ("cluster", "result")))
    return Cluster(spec, (), lambda: 0.0, Random(1), None, discovery)


async def test_a_helper_is_asked_by_its_name_as_soon_as_it_is_found(upstream: Any) -> None:
    helper = await upstream(OK)
    port = helper.address.rpartition(":")[2]
    names = Names(helper_example=["127.0.0.1"])
    names.silent.clear()
    cluster = named(names, f"helper.example:{port}")
    cluster.start()
    asking = asyncio.create_task(ask(cluster, "GET", "/keys", timeout=5))
    await asyncio.sleep(0)
    names.silent.set()
    assert (await asking).body == b"ok"
    assert f"\r\nhost: helper.example:{port}\r\n".encode() in helper.seen[0].lower()
    cluster.retire()


async def test_one_that_is_not_found_does_not_answer() -> None:
    cluster = named(Names(), "helper.example:80")
    cluster.start()
    with pytest.raises(Unanswered, match="dns_failure"):
        await ask(cluster, "GET", "/keys", timeout=5)
    cluster.retire()

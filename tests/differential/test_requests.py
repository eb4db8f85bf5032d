"""Raw bytes in, raw bytes out: every line of the table against a gateway on a real socket."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator

import pytest

from tests.differential.here import Here, gateway_here, read_until_quiet, upstream_here
from tests.differential.recorder import Recorder
from tests.differential.table import CASES, SMUGGLED, Case


@pytest.fixture
async def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def here(recorder: Recorder) -> AsyncIterator[Here]:
    async with upstream_here(recorder.serve) as port, gateway_here(port) as found:
        yield found


async def talk(here: Here, raw: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    writer.write(raw)
    answer, ended = await read_until_quiet(reader, 3.0)
    assert ended, "neither answered to the end nor closed"
    writer.close()
    return answer


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(here: Here, recorder: Recorder, case: Case) -> None:
    answer = await talk(here, case.raw + SMUGGLED)
    assert tuple(int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)) == case.wants
    seen = recorder.take()
    assert tuple(one for one in seen if not one[1].startswith("http")) == case.sees
    if case.reason:
        head, _, body = re.split(rb"HTTP/1\.1 \d{3} ", answer)[-1].partition(b"\r\n\r\n")
        assert json.loads(body)["reason"] == case.reason
        assert b"connection: close" in head
    assert here.failures == []
    assert not here.worker.exchanges


async def test_every_refusal_is_counted_with_its_reason(here: Here) -> None:
    refused = [case for case in CASES if case.reason]
    for case in refused:
        await talk(here, case.raw)
    counted = here.total("gateway_protocol_refusals_total") + here.total("gateway_local_replies_total")
    assert counted == len(refused)
    for reason in {case.reason for case in refused}:
        found = here.total("gateway_protocol_refusals_total", reason=reason)
        found += here.total("gateway_local_replies_total", reason=reason)
        assert found == sum(case.reason == reason for case in refused)


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


async def test_an_http10_client_is_told_that_its_connection_is_kept(here: Here) -> None:
    """RFC 9112 appendix C.2.2: without the option it expects the connection to close."""
    kept = b"GET /a HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"
    answer = await talk(here, kept + b"GET /b HTTP/1.0\r\nHost: a\r\n\r\n")
    first, second = answer.split(b"HTTP/1.1 200 OK")[1:]
    assert b"\r\nconnection: keep-alive\r\n" in first
    assert b"\r\nconnection: close\r\n" in second

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.control.supervisor.readiness import HttpProbe, RedisProbe, WorkerProbe, until_ready
from gateway.control.supervisor.resp import RedisAddress


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n")
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_200_is_ready() -> None:
    async with server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as port:
        assert await HttpProbe("127.0.0.1", port, "/readyz")() is None


async def test_any_other_answer_is_a_reason() -> None:
    async with server(b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"reason":\n "no_database"}') as port:
        reason = await HttpProbe("127.0.0.1", port, "/readyz")()
    assert reason == 'HTTP/1.1 503 Service Unavailable: {"reason": "no_database"}'


async def test_nobody_there_is_a_reason(free_port: int) -> None:
    assert f"port {free_port}" in (await HttpProbe("127.0.0.1", free_port, "/")() or "")
    assert f"port {free_port}" in (await RedisProbe(RedisAddress("127.0.0.1", free_port))() or "")


async def test_silence_is_a_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, never accepts
        port = silent.getsockname()[1]
        reason = await HttpProbe("127.0.0.1", port, "/", timeout=0.05)()
        assert reason == f"no answer on port {port} within 0.05 s"


async def test_asks_until_the_answer_is_yes() -> None:
    answers: list[str | None] = ["no", "not yet", None]
    probe: Callable[[], Awaitable[str | None]] = lambda: asyncio.sleep(0, answers.pop(0))  # noqa: E731
    await until_ready(probe, interval=0)
    assert answers == []


@pytest.mark.parametrize(
    ("status", "body", "ready"),
    [
        (200, '{"workers": [{"name": "gateway-1", "version": 3}]}', True),
        (503, '{"workers": [{"name": "gateway-2", "version": null}, {"name": "gateway-1", "version": 3}]}', True),
        (200, '{"workers": [{"name": "gateway-1", "version": null}]}', False),
        (200, '{"workers": [{"name": "gateway-2", "version": 3}]}', False),
        (200, '["gateway-1"]', False),
        (200, "nonsense", False),
    ],
)
async def test_a_worker_is_ready_when_control_lists_it_with_a_configuration(
    status: int, body: str, ready: bool
) -> None:
    async with server(f"HTTP/1.1 {status} X\r\n\r\n{body}".encode()) as port:
        reason = await WorkerProbe(HttpProbe("127.0.0.1", port, "/readyz"), "gateway-1")()
    assert (reason is None) == ready


async def test_a_worker_without_control_counts_as_ready_after_a_while(free_port: int) -> None:
    now = 100.0
    probe = WorkerProbe(HttpProbe("127.0.0.1", free_port, "/readyz"), "gateway-1", patience=5, clock=lambda: now)
    assert "control cannot be asked" in (await probe() or "")
    now = 104.9
    assert await probe() is not None
    now = 105.0
    assert await probe() is None

"""The control side of the workers' channel: strict, bounded, and unharmed by what a worker does."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest


async def test_only_this_user_can_connect(instance: Any) -> None:
    assert stat.S_IMODE(instance.settings.control_socket.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        b"not json\n",
        b'{"type":"ack","version":1,"accepted":true}\n',
        b'{"type":"hello","role":"edge","worker":"../../etc","pid":1}\n',
        b'{"type":"hello","role":"edge","worker":"gateway-1","pid":-1}\n',
        b'{"type":"surprise"}\n',
        b"[]\n",
    ],
)
async def test_nonsense_ends_the_connection_and_is_counted(instance: Any, line: bytes) -> None:
    reader, writer = await asyncio.open_unix_connection(instance.settings.control_socket)
    writer.write(line)
    assert await reader.read() == b""
    writer.close()
    assert instance.plane.channel.workers == []
    async with instance.http.get(instance.url + "/metrics") as response:
        assert "gateway_control_channel_errors_total 1.0" in await response.text()


async def test_a_line_has_a_maximum_length(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await instance.worker()
    worker.writer.write(b'{"type":"stats","pad":"' + b"x" * (17 * 1024 * 1024))
    await instance.until(lambda: not instance.plane.channel.workers)
    assert instance.plane.metrics.broken._value.get() == 1


async def test_a_look_without_a_word_is_no_error(instance: Any) -> None:
    _, writer = await asyncio.open_unix_connection(instance.settings.control_socket)
    writer.close()
    await writer.wait_closed()
    await instance.get("/healthz")
    assert instance.plane.metrics.broken._value.get() == 0


async def test_a_worker_that_does_not_read_is_cut_off(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.control.channel.MAX_UNSENT", 100_000)
    worker = await instance.worker()
    worker.task.cancel()
    worker.reader._transport.pause_reading()
    for _ in range(20):
        instance.plane.channel.broadcast({"type": "snapshot", "pad": "x" * 100_000})
    await instance.until(lambda: not instance.plane.channel.workers)


async def test_explain_is_answered_by_a_worker(instance: Any) -> None:
    await instance.worker()
    question = {"method": "DELETE", "url": "http://shop.example:18088/orders/1?x=1", "headers": {"Accept": "*/*"}}
    answer = await instance.post("/explain", {**question, "body": "{}", "claims": {"sub": "bob"}})
    assert answer["asked"] == {
        "method": "DELETE",
        "target": "/orders/1?x=1",
        "headers": [["Host", "shop.example:18088"], ["Accept", "*/*"]],
        "body": "{}",
        "claims": {"sub": "bob"},
        "client": "127.0.0.1",
        "principals": [],
        "listener": "public",
    }


async def test_explain_without_workers_or_without_an_answer(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await instance.post("/explain", {"url": "/"}, status=503))["reason"] == "no_worker"
    worker = await instance.worker(answers=lambda _: None)
    with pytest.raises(TimeoutError):
        await instance.plane.channel.ask("explain", {}, within=0.05)
    asked = asyncio.create_task(instance.post("/explain", {"url": "/"}, status=503))
    await instance.until(lambda: instance.plane.channel.workers[0].questions)
    await worker.close()
    assert (await asked)["reason"] == "no_worker"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "/", "methode": "GET"},
        {"url": "/", "method": "GET /"},
        {"url": "/ HTTP/1.1\r\nX: y"},
        {"url": "/", "headers": {"a": "b\r\nc: d"}},
        {"url": "/", "headers": {"a b": "c"}},
        {"url": "http://[::1"},
        {"url": "http://x:99999/"},
        {"url": "/", "listener": "no-such"},
    ],
)
async def test_a_bad_question_never_reaches_a_worker(instance: Any, body: dict[str, Any]) -> None:
    await instance.worker()
    assert (await instance.post("/explain", body, status=422))["reason"] == "invalid_body"


async def test_stopping_removes_the_socket(instance: Any, state_dir: Path) -> None:
    await instance.worker()
    await instance.control.stop()
    assert not (state_dir / "control.sock").exists()

"""The worker as a process: starts from the last good configuration, talks to control, reloads and drains."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from gateway.compile.load import load_text
from gateway.control.messages import MAX_LINE

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def config(address: str, route: str = "all", drain: str = "5s") -> dict[str, Any]:
    text = f"""
    listeners: [{{name: public, port: 0}}]
    drainTimeout: {drain}
    clusters: [{{name: shop, endpoints: ["{address}"]}}]
    routes: [{{name: {route}, public: true, backendRefs: [{{cluster: shop}}]}}]
    """
    return load_text(dedent(text), "test.yaml", {}).model_dump(mode="json", by_alias=True)


@dataclass
class Process:
    """A worker process and the port that it serves."""

    process: asyncio.subprocess.Process
    port: int
    lifeline: int

    async def get(self) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    async def stop(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 10)


Starter = Callable[..., Awaitable[Process]]


@pytest.fixture
async def worker(tmp_path: Path) -> AsyncIterator[Starter]:
    """Start `python -m gateway.roles.edge` as the supervisor does."""
    running: list[Process] = []
    (tmp_path / "logs").mkdir()

    async def start(last_good: dict[str, Any] | None = None, control: str | None = None) -> Process:
        path = tmp_path / "last-good.json"
        if last_good:
            path.write_text(json.dumps({"spec": last_good, "endpoints": {}, "version": 4}))
        sock = socket.create_server(("127.0.0.1", 0))
        alive, lifeline = os.pipe()
        read, write = os.pipe()
        settings = {
            "worker": "gateway-1",
            "listeners": {"public": sock.fileno()},
            "last_good": str(path),
            "control_socket": control,
            "state_dir": str(tmp_path),
            "lifeline_fd": alive,
        }
        os.write(write, json.dumps(settings).encode())
        os.close(write)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.roles.edge",
            "--settings-fd",
            str(read),
            pass_fds=(sock.fileno(), read, alive),
        )
        running.append(Process(process, sock.getsockname()[1], lifeline))
        sock.close()
        os.close(read)
        os.close(alive)
        return running[-1]

    yield start
    for one in running:
        await one.stop()
        os.close(one.lifeline)


async def test_a_worker_lets_services_out_to_who_is_listed(worker: Starter, upstream: Any) -> None:
    third = await upstream(OK)
    port = third.address.rpartition(":")[2]
    text = f"""
    listeners: [{{name: public, port: 0, forwardProxy: {{}}}}]
    clusters:
      - name: out
        forward: {{hosts: ["*.example", localhost], ports: [{port}]}}
        addresses: {{allow: [127.0.0.2]}}
        dns: {{hosts: {{listed.example: [127.0.0.2]}}}}
      - {{name: named, endpoints: ["named.example:{port}"], dns: {{hosts: {{named.example: [127.0.0.1]}}}}}}
    routes:
      - {{name: out, public: true, backendRefs: [{{cluster: out}}]}}
      - {{name: named, public: true, hostnames: [named.example], backendRefs: [{{cluster: named}}]}}
    """
    process = await worker(load_text(dedent(text), "test.yaml", {}).model_dump(mode="json", by_alias=True))

    async def call(host: str) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", process.port)
        writer.write(f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer

    assert b"200 OK" in await call("named.example")
    assert f"\r\nhost: named.example:{port}\r\n".encode() in third.seen[-1]
    assert b"egress_host_denied" in await call("elsewhere.test")
    assert b"egress_address_denied" in await call("localhost")  # asked of the system: 127.0.0.1, and not in the list
    assert b"upstream_connect_failure" in await call("listed.example")  # nobody listens there: it was connected to
    assert third.connections == 1


class Control:
    """The other end of a worker's line."""

    def __init__(self) -> None:
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        while line := await reader.readline():
            self.received.put_nowait(json.loads(line))
        writer.close()

    async def next(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                message = await self.received.get()
                if message["type"] == kind:
                    return message

    def send(self, **message: Any) -> None:
        assert self.writer is not None
        self.writer.write(json.dumps(message).encode() + b"\n")


@pytest.fixture
async def control(tmp_path: Path) -> AsyncIterator[tuple[Control, str]]:
    one, path = Control(), str(tmp_path / "control.sock")
    server = await asyncio.start_unix_server(one.serve, path, limit=MAX_LINE)
    yield one, path
    server.close()
    if one.writer is not None:
        one.writer.close()


async def test_it_serves_from_the_last_good_configuration(upstream: Any, worker: Starter) -> None:
    shop = await upstream(OK)
    one = await worker(config(shop.address), control="/nowhere/control.sock")
    assert (await one.get()).endswith(b"ok")
    assert await one.stop() == 0


async def test_it_takes_its_configuration_from_control(
    upstream: Any, worker: Starter, control: tuple[Control, str]
) -> None:
    shop = await upstream(OK)
    one = await worker(control=control[1])
    hello = await control[0].next("hello")
    assert (hello["worker"], hello["pid"], hello["version"]) == ("gateway-1", one.process.pid, None)
    control[0].send(type="snapshot", version=1, spec=config(shop.address), endpoints={})
    ack = await control[0].next("ack")
    assert (ack["version"], ack["accepted"], ack["error"]) == (1, True, None)
    assert (await one.get()).endswith(b"ok")
    (record,) = (await control[0].next("requests"))["records"]
    assert (record["status"], record["route"], record["decided_by"]) == (200, "all", "shop")
    stats = await control[0].next("stats")
    assert "http_server_request_duration_seconds" in {family["name"] for family in stats["families"]}
    control[0].send(type="question", id="q", ask="explain", request={"method": "GET", "target": "/x"})
    assert (await control[0].next("answer"))["result"]["outcome"] == "forward"


async def test_a_configuration_that_does_not_compile_changes_nothing(
    upstream: Any, worker: Starter, control: tuple[Control, str]
) -> None:
    shop = await upstream(OK)
    one = await worker(config(shop.address), control=control[1])
    assert (await control[0].next("hello"))["version"] == 4
    broken = config(shop.address)
    broken["routes"][0]["backendRefs"][0]["cluster"] = "absent"
    control[0].send(type="snapshot", version=5, spec=broken, endpoints={})
    ack = await control[0].next("ack")
    assert (ack["version"], ack["accepted"]) == (5, False)
    assert "absent" in ack["error"]
    assert (await one.get()).endswith(b"ok")


async def test_reloads_under_load_fail_no_request(upstream: Any, worker: Starter, control: tuple[Control, str]) -> None:
    shop, other = await upstream(OK), await upstream(OK)
    one = await worker(config(shop.address), control=control[1])
    await control[0].next("hello")
    answers: list[bytes] = []
    stop = asyncio.Event()

    async def load() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port)
        while not stop.is_set():
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            answers.append(head[:15] + await reader.readexactly(2))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(load())
        for version in range(5, 45):
            target = (shop, other)[version % 2]
            control[0].send(type="snapshot", version=version, spec=config(target.address, f"r{version}"), endpoints={})
            assert (await control[0].next("ack"))["accepted"]
        stop.set()
    assert set(answers) == {b"HTTP/1.1 200 OKok"}
    assert len(answers) > 100
    assert shop.seen
    assert other.seen


async def test_sigterm_lets_what_is_in_flight_end(upstream: Any, worker: Starter) -> None:
    release = asyncio.Event()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    shop = await upstream(slow)
    one = await worker(config(shop.address))
    waiting = asyncio.create_task(one.get())
    while not shop.seen:
        await asyncio.sleep(0.005)
    one.process.send_signal(signal.SIGTERM)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(one.process.wait(), 0.3)
    release.set()
    answer = await waiting
    assert answer.endswith(b"ok")
    assert b"connection: close" in answer
    assert await asyncio.wait_for(one.process.wait(), 5) == 0


async def test_an_idle_connection_may_bring_one_more_request(upstream: Any, worker: Starter) -> None:
    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return await reader.readuntil(b"\r\n\r\nok")

    shop = await upstream(OK)
    one = await worker(config(shop.address))
    idle = await asyncio.open_connection("127.0.0.1", one.port)
    assert b"connection: close" not in await ask(*idle)
    busy = await asyncio.open_connection("127.0.0.1", one.port)
    one.process.send_signal(signal.SIGTERM)
    while b"connection: close" not in await ask(*busy):
        await asyncio.sleep(0)
    assert b"connection: close" in await ask(*idle)  # it was not closed under a request that was on its way
    assert await idle[0].read() == b""
    assert await asyncio.wait_for(one.process.wait(), 5) == 0
    for _, writer in (idle, busy):
        writer.close()


async def test_the_drain_time_is_a_limit(upstream: Any, worker: Starter) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    shop = await upstream(never)
    one = await worker(config(shop.address, drain="200ms"))
    waiting = asyncio.create_task(one.get())
    while not shop.seen:
        await asyncio.sleep(0.005)
    one.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(one.process.wait(), 5) == 0
    answer = await waiting
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"reason":"drain_timeout"' in answer


async def test_it_goes_when_the_supervisor_is_gone(upstream: Any, worker: Starter) -> None:
    shop = await upstream(OK)
    one = await worker(config(shop.address))
    assert (await one.get()).endswith(b"ok")
    read = os.dup(one.lifeline)
    os.close(one.lifeline)
    os.close(read)
    one.lifeline = os.open("/dev/null", os.O_RDONLY)
    assert await asyncio.wait_for(one.process.wait(), 5) == 0


async def test_a_worker_serves_tls_and_takes_up_a_renewed_certificate(
    upstream: Any, worker: Starter, authority: Any, control: tuple[Control, str]
) -> None:
    shop, ca = await upstream(OK), authority()
    files = ca.issue("shop", ["shop.example"])
    spec = config(shop.address)
    spec["listeners"][0]["tls"] = {"certificates": [{"cert": str(files.cert), "key": str(files.key)}]}
    one = await worker(spec, control=control[1])
    await control[0].next("hello")

    async def serial() -> str:
        options = {"ssl": ca.client(), "server_hostname": "shop.example"}
        reader, writer = await asyncio.open_connection("127.0.0.1", one.port, **options)
        shown = str(writer.get_extra_info("peercert")["serialNumber"])
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        return shown

    first = await serial()
    ca.issue("shop", ["shop.example"])
    async with asyncio.timeout(10):
        while await serial() == first:
            await asyncio.sleep(0.1)
    control[0].send(type="snapshot", version=5, spec=config(shop.address), endpoints={})
    ack = await control[0].next("ack")
    assert (ack["accepted"], "needs a restart" in ack["error"]) == (False, True)
    assert await serial() != first  # what was in force still is
    assert await one.stop() == 0

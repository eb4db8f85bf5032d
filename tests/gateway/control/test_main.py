"""The control process as a process: settings on a pipe, and three ways to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.control.settings import ControlSettings, read_settings

SECRETS = ("admin_secret", "otlp_secret", "control_secret")


def document(settings: ControlSettings, **more: Any) -> dict[str, Any]:
    plain = settings.model_dump(mode="json")
    secrets = {name: getattr(settings, name).get_secret_value() for name in SECRETS}
    return {**plain, **secrets, **more}


@asynccontextmanager
async def process(settings: dict[str, Any], *keep: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """A control process; killed at the end if it still runs."""
    read, write = os.pipe()
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.control.main", "--settings-fd", str(read),
        pass_fds=(read, *keep), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(read)
    os.write(write, json.dumps(settings).encode())
    os.close(write)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def line(started: asyncio.subprocess.Process, message: str) -> dict[str, Any]:
    """The next log line with this message."""
    assert started.stderr is not None
    while text := await asyncio.wait_for(started.stderr.readline(), 20):
        found: dict[str, Any] = json.loads(text)
        if found["message"] == message:
            return found
    raise AssertionError(f"the process ended without saying {message!r}")


async def test_it_starts_and_ends_by_sigterm(settings: ControlSettings) -> None:
    async with process(document(settings)) as started:
        ready = await line(started, "control process ready")
        reader, writer = await asyncio.open_connection("127.0.0.1", ready["admin_port"])
        host = f"127.0.0.1:{ready['admin_port']}"
        writer.write(f"GET /live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        started.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(started.wait(), 5) == 0
        writer.close()


async def test_it_ends_with_whoever_started_it(settings: ControlSettings) -> None:
    read, write = os.pipe()
    async with process(document(settings, lifeline_fd=read), read) as started:
        os.close(read)
        await line(started, "control process ready")
        os.close(write)
        assert await asyncio.wait_for(started.wait(), 5) == 0


async def test_a_taken_port_is_an_error_that_names_it(settings: ControlSettings) -> None:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with process(document(settings, admin={"port": port})) as started:
        failed = await line(started, "control process cannot start")
        assert f"cannot listen on 127.0.0.1:{port}" in failed["error"]
        assert await asyncio.wait_for(started.wait(), 5) == 1
    server.close()
    await server.wait_closed()


def test_settings_are_read_to_the_end_and_show_no_secret(settings: ControlSettings) -> None:
    read, write = os.pipe()
    os.write(write, json.dumps(document(settings)).encode())
    os.close(write)
    found = read_settings(read)
    assert found == settings
    assert "secret-of-this-start" not in repr(found)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read)

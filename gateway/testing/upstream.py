"""A small real HTTP server that stands for a service: a test says what it answers and sees what it received.

The problem: a mock shows what its author believes that a gateway sends. The rule: bytes over loopback, answered by the
first script that fits, the latest one first; without a script everything is 200 `ok`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.http.status import TITLES
from gateway.testing.loop import PATIENCE, LoopThread

OK: Final = (200, {"content-type": "text/plain"}, b"ok")


@dataclass(frozen=True)
class Received:
    """A request as the service saw it."""

    method: str
    target: str
    """Path and query."""
    headers: Mapping[str, str]
    """By name in lower case; repeated ones joined by ", "."""
    body: bytes

    @property
    def path(self) -> str:
        """Without the query."""
        return self.target.partition("?")[0]

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


Answered = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""


@dataclass
class _Script:
    method: str | None
    path: str | None
    answer: Callable[[Received], Answered | None]
    left: int | None
    """How many requests it still answers; None for no end."""

    def fits(self, got: Received) -> bool:
        return self.left != 0 and self.method in (None, got.method) and self.path in (None, got.path)


@dataclass
class Held:
    """Requests that wait at the service."""

    _arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _going: threading.Event = field(default_factory=threading.Event)

    def wait(self, requests: int = 1) -> None:
        """Until so many more have come; blocks."""
        for _ in range(requests):
            if not self._arrived.acquire(timeout=PATIENCE):
                raise AssertionError("no request came to the service")

    def release(self) -> None:
        """Let them be answered."""
        self._going.set()


class Upstream:
    """A service on a free port of this machine."""

    def __init__(self, thread: LoopThread) -> None:
        self._thread = thread
        self._scripts: list[_Script] = []
        self._held: Held | None = None
        self._connections: set[asyncio.StreamWriter] = set()
        self.received: list[Received] = []
        """Every request, in the order in which they came."""
        self.address = ""
        """`127.0.0.1:PORT`, as a cluster's `endpoints` have it."""
        self._server = thread.wait(self._listen(0))

    def __repr__(self) -> str:
        return f"<Upstream {self.address} received={len(self.received)}>"

    # -- what it answers -------------------------------------------------------------------------------------

    def answer(
        self,
        status: int = 200,
        *,
        body: bytes | str = b"",
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        to: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer so from now on.

        Args:
            to: which requests: `POST /orders`, or `/orders` for every method; None for all.
            times: how many of them; the answers before are back after that.
        """
        told = dict(headers or {})
        if json is not None:
            body = _json_text(json)
            told.setdefault("content-type", "application/json")
        content = body.encode() if isinstance(body, str) else body
        self.answer_by(lambda _: (status, told, content), to=to, times=times)

    def answer_by(
        self, answer: Callable[[Received], Answered | None], *, to: str | None = None, times: int | None = None
    ) -> None:
        """The same by a function of the request; None hangs up without an answer."""
        method, _, path = (to or "").rpartition(" ")
        self._scripts.insert(0, _Script(method or None, path or None, answer, times))

    def hang_up(self, *, to: str | None = None, times: int | None = None) -> None:
        """Close the connection in place of an answer."""
        self.answer_by(lambda _: None, to=to, times=times)

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Inside, requests arrive and wait; at the end, or when released, they are answered."""
        self._held = held = Held()
        try:
            yield held
        finally:
            self._held = None
            held.release()

    def stop(self) -> None:
        """Listen no more, and close what is open: a service that is down. `start` brings it back, on the same port."""
        self._thread.wait(self._close())

    def start(self) -> None:
        """Listen again."""
        self._server = self._thread.wait(self._listen(int(self.address.rpartition(":")[2])))

    # -- the server ------------------------------------------------------------------------------------------

    async def _listen(self, port: int) -> asyncio.Server:
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _close(self) -> None:
        self._server.close()
        for writer in self._connections:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while got := await _read(reader, writer):
                self.received.append(got)
                if (held := self._held) is not None:
                    held._arrived.release()
                    await asyncio.to_thread(held._going.wait, PATIENCE)
                answered = self._answered(got)
                if answered is None:
                    return
                writer.write(_rendered(got, *answered))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the gateway closed the connection, or the test is over
        finally:
            self._connections.discard(writer)
            writer.close()

    def _answered(self, got: Received) -> Answered | None:
        script = next((one for one in self._scripts if one.fits(got)), None)
        if script is None:
            return OK
        if script.left is not None:
            script.left -= 1
        return script.answer(got)


def _json_text(value: Any) -> str:
    return json.dumps(value)


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Received | None:
    """The next request; None when there is none. Only a gateway connects here: what it sends is well-formed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    body = await (_chunks(reader) if chunked else reader.readexactly(int(headers.get("content-length", 0))))
    method, target, _ = first.split(" ")
    return Received(method, target, headers, body)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return body


def _rendered(got: Received, status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} {TITLES.get(status, '')}", *(f"{name}: {value}" for name, value in headers.items())]
    framed = {name.lower() for name in headers} & {"content-length", "transfer-encoding"}
    if not framed and status not in (204, 304):
        lines.append(f"content-length: {len(body)}")
    content = b"" if got.method == "HEAD" or status in (204, 304) else body
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content

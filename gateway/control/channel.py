"""The control side of the lines to which the gateway's workers, and the sidecars of a mesh, connect.

The problem: workers must get their configuration and report what they see, yet must never depend on the
control process, and it must survive a worker that hangs, lies or floods. The rule: workers connect (and
reconnect) to us; a line has a maximum length; a worker that breaks the protocol or does not read what we send
is disconnected, counted, and serves on with what it has.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.control.egress_part import EGRESS
from gateway.control.messages import MAX_LINE, Ack, Answer, Explanations, Hello, Requests, Stats, encode, parse

log = logging.getLogger(__name__)

MAX_WORKERS = 128
MAX_UNSENT = 32 * 1024 * 1024
MAX_QUESTIONS = 64
HELLO_SECONDS = 5.0


class NoWorkerError(Exception):
    """No worker is connected that could answer."""


@dataclass(eq=False)
class Worker:
    """One connected worker. `version` is the last one it accepted."""

    name: str
    role: str
    pid: int
    version: int | None
    writer: asyncio.StreamWriter
    service: str = ""
    """Of a sidecar: whose it is; proven by its certificate."""
    address: str = ""
    """Of a sidecar: where others reach it."""
    error: str = ""
    """Why it does not serve what it was sent last."""
    rss_bytes: int = 0
    certificate_expires: float | None = None
    """Of one in a mesh: seconds since the epoch."""
    clusters: dict[str, dict[str, Any]] = field(default_factory=dict)
    questions: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Whose counts they are: those of a successor begin anew."""
        return f"{self.name}/{self.pid}"

    def send(self, line: bytes) -> None:
        """Queue a line; a worker that has stopped reading is cut off instead of filling our memory."""
        if self.writer.transport.get_write_buffer_size() > MAX_UNSENT:
            log.warning("worker does not read, disconnected", extra={"worker": self.name})
            self.writer.transport.abort()
        else:
            self.writer.write(line)


class Events(Protocol):
    """What the channel tells the rest of the control process."""

    def hello(self, worker: Worker) -> None:
        """A worker has come; it wants the current configuration."""

    def ack(self, worker: Worker, ack: Ack) -> None:
        """A worker has accepted or rejected a version."""

    def stats(self, worker: Worker, stats: Stats) -> None:
        """A worker's numbers."""

    def requests(self, worker: Worker, records: list[dict[str, Any]]) -> None:
        """A worker's latest access records."""

    def explanations(self, worker: Worker, told: Explanations) -> None:
        """What happened to some of its requests."""

    def gone(self, worker: Worker) -> None:
        """A worker's connection has ended."""

    def broken(self, error: str) -> None:
        """A connection was closed because it broke the protocol."""


class Channel:
    """The connected workers; where they connect, subclasses know."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self.workers: list[Worker] = []

    async def start(self) -> None:
        """Listen."""
        self._server = await self._listen()

    async def _listen(self) -> asyncio.Server:
        raise NotImplementedError("a channel listens somewhere")

    def _admit(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        """Make sure that who connected is who it says.

        Raises:
            ValueError: it is not.
        """

    async def stop(self) -> None:
        """Close every connection; the workers serve on."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send one message to every worker."""
        self.spread(lambda _: message)

    def spread(self, message: Callable[[str], dict[str, Any]]) -> None:
        """Send every worker the message for its role."""
        lines = {role: encode(message(role)) for role in {worker.role for worker in self.workers}}
        for worker in self.workers:
            worker.send(lines[worker.role])

    async def ask(self, ask: str, request: dict[str, Any], within: float = 5.0) -> dict[str, Any]:
        """Ask one worker, the one with the newest configuration, that has all of it.

        Raises:
            NoWorkerError: none is connected, or it has too many open questions.
            TimeoutError: no answer within `within` seconds.
        """
        whole = (one for one in self.workers if one.role != EGRESS)
        worker = max(whole, key=lambda one: one.version or 0, default=None)
        if worker is None:
            raise NoWorkerError
        return await self._ask(worker, ask, request, within)

    async def ask_all(self, ask: str, request: dict[str, Any], within: float = 5.0) -> dict[str, dict[str, Any]]:
        """Ask every worker; the answers by worker, without those that gave none in time."""
        workers = sorted(self.workers, key=lambda one: one.name)
        asked = (self._ask(worker, ask, request, within) for worker in workers)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, NoWorkerError | TimeoutError):
                raise answer
        return {one.name: got for one, got in zip(workers, answers, strict=True) if isinstance(got, dict)}

    async def _ask(self, worker: Worker, ask: str, request: dict[str, Any], within: float) -> dict[str, Any]:
        if len(worker.questions) >= MAX_QUESTIONS:
            raise NoWorkerError
        number, answer = secrets.token_hex(8), asyncio.get_running_loop().create_future()
        worker.questions[number] = answer
        worker.send(encode({"type": "question", "id": number, "ask": ask, "request": request}))
        try:
            return await asyncio.wait_for(answer, within)
        finally:
            del worker.questions[number]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self.workers) < MAX_WORKERS:
                await self._converse(reader, writer)
        except (ValueError, TimeoutError) as error:  # a ValueError is also what an over-long line raises
            log.warning("broken message on the control channel", extra={"error": str(error)[:500]})
            self._events.broken(str(error))
        except (OSError, asyncio.CancelledError):  # ssl.SSLError is one
            pass  # it went away, or we go; _converse has told so
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await asyncio.wait_for(reader.readline(), HELLO_SECONDS)
        if not line:
            return  # somebody only looked whether we are here
        hello = parse(line)
        if not isinstance(hello, Hello):
            raise ValueError(f"expected hello, got {hello.type}")
        self._admit(hello, writer)
        told = (hello.worker, hello.role, hello.pid, hello.version)
        worker = Worker(*told, writer, hello.service, hello.address)
        self.workers.append(worker)
        try:
            self._events.hello(worker)
            while line := await reader.readline():
                self._receive(worker, line)
        finally:
            self.workers.remove(worker)
            for question in worker.questions.values():
                if not question.done():
                    question.set_exception(NoWorkerError())
            self._events.gone(worker)

    def _receive(self, worker: Worker, line: bytes) -> None:
        message = parse(line)
        match message:
            case Ack():
                worker.version = message.version if message.accepted else worker.version
                worker.error = "" if message.accepted else message.error or "rejected without a reason"
                self._events.ack(worker, message)
            case Stats():
                worker.rss_bytes, worker.clusters = message.rss_bytes, message.clusters
                self._events.stats(worker, message)
            case Requests():
                self._events.requests(worker, message.records)
            case Explanations():
                self._events.explanations(worker, message)
            case Answer():
                question = worker.questions.get(message.id)
                if question is not None and not question.done():
                    question.set_result(message.result)
            case Hello():
                raise ValueError("a second hello on one connection")


class WorkerChannel(Channel):
    """`control.sock`: for the gateway's workers.

    Every process of this user can connect, confined ones too where the kernel does not ask (gateway/mesh/isolation):
    so a worker says what only the supervisor can have told it.
    """

    def __init__(self, path: Path, events: Events, secret: str) -> None:
        super().__init__(events)
        self._path, self._secret = path, secret.encode()

    def _admit(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        if not hmac.compare_digest(hello.secret.encode(), self._secret):
            raise ValueError("a hello without the secret of this start")

    async def _listen(self) -> asyncio.Server:
        """Only this user can connect (mode 0600 from the first moment on)."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        mask = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(mask)
        return await asyncio.start_unix_server(self._serve, sock=listening, limit=MAX_LINE)

    async def stop(self) -> None:
        """Close every connection; the workers serve on."""
        await super().stop()
        self._path.unlink(missing_ok=True)

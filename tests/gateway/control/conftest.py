"""A control process in this process, on free ports, and workers that speak the channel's protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.control.servers import Control
from gateway.control.settings import ControlSettings
from gateway.spec import filters
from gateway.spec.loader import load
from gateway.spec.models import FilterSpec, Spec
from tests.waiting import until

SECRET = "admin-secret-of-this-start"
OTLP_SECRET = "collector-secret-of-this-start"
CONTROL_SECRET = "the-secret-of-the-workers"

CONFIG = """\
listeners:
  - {name: public, port: 18088}
clusters:
  - {name: orders, service: orders}
routes:
  - name: orders
    public: true
    matches: [{path: {value: /orders}}]
    backendRefs: [{cluster: orders}]
"""
FILTER_TYPES: dict[str, type[FilterSpec]] = {
    "JWT": filters.Jwt, "Authorize": filters.Authorize, "RateLimit": filters.RateLimit
}  # fmt: skip


def load_file(path: Path, variables: Mapping[str, str], text: str | None = None) -> Spec:
    """What `gateway.compile.load` does, without the filters' code."""
    return load(path.read_text() if text is None else text, path.name, variables, FILTER_TYPES)


class FakeWorker:
    """The worker's side of the protocol; `reject` maps a version to the error it is rejected with."""

    def __init__(self, name: str, pid: int) -> None:
        self.name, self.pid = name, pid
        self.version: int | None = None
        self.versions: list[int] = []
        self.reject: Callable[[dict[str, Any]], str | None] = lambda snapshot: None
        self.silent = False
        self.heard: list[str] = []
        self.orders: dict[str, Any] = {}
        self.answers: Callable[[dict[str, Any]], dict[str, Any] | None] = lambda request: {"asked": request}
        self._seen = asyncio.Condition()

    async def connect(self, path: Path) -> None:
        """Say hello and answer from then on."""
        self.reader, self.writer = await asyncio.open_unix_connection(path, limit=2**24)
        self.send(
            type="hello", role="edge", worker=self.name, pid=self.pid, version=self.version, secret=CONTROL_SECRET
        )
        self.task = asyncio.create_task(self._listen())

    def send(self, **message: Any) -> None:
        """One line to control."""
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def _listen(self) -> None:
        while line := await self.reader.readline():
            message = json.loads(line)
            self.heard.append(message["type"])
            if message["type"] == "canaries":
                self.orders = message
            elif message["type"] == "question":
                if (result := self.answers(message["request"])) is not None:
                    self.send(type="answer", id=message["id"], result=result)
            elif message["type"] == "snapshot":
                await self._take(message)

    async def _take(self, snapshot: dict[str, Any]) -> None:
        async with self._seen:
            self.versions.append(snapshot["version"])
            self._seen.notify_all()
        if self.silent:
            return
        error = self.reject(snapshot)
        self.version = self.version if error else snapshot["version"]
        self.send(type="ack", version=snapshot["version"], accepted=error is None, error=error, stall_ms=1.5)

    async def saw(self, version: int) -> None:
        """Wait until this version has come."""
        async with self._seen, asyncio.timeout(5):
            await self._seen.wait_for(lambda: self.versions[-1:] == [version])

    async def close(self) -> None:
        """Go away."""
        self.writer.close()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class Instance:
    """A running control process and how to ask it."""

    def __init__(self, control: Control, settings: ControlSettings, http: aiohttp.ClientSession) -> None:
        self.control, self.settings, self.http = control, settings, http
        self.plane = control.plane
        self.workers: list[FakeWorker] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.control.admin_port}"

    @property
    def collector(self) -> str:
        return f"http://127.0.0.1:{self.control.collector_port}/v1/traces"

    async def worker(self, name: str = "gateway-1", pid: int = 101, **settings: Any) -> FakeWorker:
        """A connected worker that has been given the current configuration."""
        worker = FakeWorker(name, pid)
        vars(worker).update(settings)
        self.workers.append(worker)
        await worker.connect(self.settings.control_socket)
        current = self.plane.reloader.current
        assert current is not None
        await worker.saw(current.version)
        return worker

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        async with self.http.get(self.url + path, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def authorized(self, path: str, status: int = 200) -> Any:
        """What only those may read who may change things."""
        return await self.get(path, status, Authorization=f"Bearer {SECRET}")

    async def post(self, path: str, body: Any = None, status: int = 200, method: str = "POST") -> Any:
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as response:
            assert response.status == status, await response.text()
            return await response.json(content_type=None)

    async def until(self, condition: Callable[[], Any]) -> None:
        """Let other tasks run until something has come over a socket."""
        await until(condition)


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """Short, because of the limit on socket paths."""
    directory = Path(tempfile.mkdtemp(prefix="gh-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def config(state_dir: Path) -> Path:
    path = state_dir / "shop.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def settings(state_dir: Path, config: Path) -> ControlSettings:
    document = {
        "state_dir": state_dir,
        "config": config,
        "endpoints": {"orders": ["127.0.0.1:8102"]},
        "services": [],
        "admin": {"port": 0},
        "collector": {"port": 0},
        "admin_secret": SECRET,
        "otlp_secret": OTLP_SECRET,
        "control_socket": state_dir / "control.sock",
        "control_secret": CONTROL_SECRET,
        "supervisor_socket": state_dir / "supervisor.sock",
    }
    return ControlSettings.model_validate(document)


@pytest.fixture
async def instance(settings: ControlSettings) -> AsyncIterator[Instance]:
    control = Control(settings, load_file)
    async with aiohttp.ClientSession() as http:
        running = Instance(control, settings, http)
        try:
            await control.start()
            yield running
        finally:
            for worker in running.workers:
                await worker.close()
            await control.stop()


PROCESSES = [{"name": "orders", "state": "running", "pid": 5}, {"name": "traffic", "state": "stopped"}]


class FakeSupervisor:
    """Answers every question with the same text and remembers the questions."""

    def __init__(self) -> None:
        self.answer = json.dumps({"processes": PROCESSES})
        self.asked: list[dict[str, Any]] = []
        self.secrets: list[str] = []
        """What each of them brought."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = json.loads(await reader.readline())
        self.secrets.append(question.pop("secret"))
        self.asked.append(question)
        writer.write(self.answer.encode() + b"\n")
        writer.close()


@pytest.fixture
async def supervisor(settings: ControlSettings) -> AsyncIterator[FakeSupervisor]:
    fake = FakeSupervisor()
    server = await asyncio.start_unix_server(fake.serve, settings.supervisor_socket)
    yield fake
    server.close()
    await server.wait_closed()

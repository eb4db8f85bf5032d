"""Processes of a measurement: started on one core, watched, ended by their own id.

The problem: a server that shares a core with its load, or that has not read its configuration yet, gives numbers
about something else. The rule: each is pinned with taskset, and nothing is measured before it has given a first
right answer.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import subprocess
import time
from pathlib import Path

import psutil

START_SECONDS = 20.0


class NotServing(Exception):
    """A server did not start; the message says why, as far as its log tells."""


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def start(
    command: list[str],
    core: int,
    log: Path,
    executable: str | None = None,
    pass_fds: tuple[int, ...] = (),
    environment: dict[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a server pinned to one core; what it prints goes to `log`."""
    with log.open("wb") as output:
        return subprocess.Popen(
            ["taskset", "-c", str(core), executable or command[0], *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            env=environment,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started; one that does not go in time is killed."""
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)


def wait_until_serving(
    process: subprocess.Popen[bytes],
    port: int,
    path: str,
    token: str,
    tls: bool = False,
    expected: int = 200,
    headers: tuple[tuple[str, str], ...] = (),
) -> None:
    """Until `path` is answered as expected.

    Raises:
        NotServing: the process ended, or gave no such answer in time.
    """
    deadline, last = time.monotonic() + START_SECONDS, "no answer"
    while time.monotonic() < deadline and process.poll() is None:
        try:
            last = f"status {_status(port, path, token, tls, headers)}"
        except (OSError, http.client.HTTPException) as error:
            last = type(error).__name__
        if last == f"status {expected}":
            return
        time.sleep(0.02)
    raise NotServing(f"{last}, exit code {process.poll()}")


def _status(port: int, path: str, token: str, tls: bool, headers: tuple[tuple[str, str], ...]) -> int:
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=ssl._create_unverified_context())
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    )
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}", **dict(headers)})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def last_line(log: Path) -> str:
    """The end of a log, for a message."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else "(it said nothing)"


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children, in steps of a clock tick (10 ms)."""
    times = [process.cpu_times() for process in _family(pid)]
    return float(sum(one.user + one.system for one in times))


def rss_mib(pid: int) -> float:
    """Resident memory of a process and its children."""
    return float(sum(process.memory_info().rss for process in _family(pid)) / 2**20)

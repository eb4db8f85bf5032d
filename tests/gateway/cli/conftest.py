"""A small real installation for commands to talk to: an HTTP server, a supervisor's socket, and their files."""

from __future__ import annotations

import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import cli

Headers = dict[str, str]
Reply = tuple[int, Headers, bytes]


@dataclass(frozen=True)
class Received:
    """A request that the server got."""

    method: str
    target: str
    headers: Headers
    body: bytes


@dataclass
class Installation:
    """What runs, what it answers, and what it was asked."""

    state_dir: Path
    url: str
    replies: dict[tuple[str, str], Reply] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    questions: list[dict[str, Any]] = field(default_factory=list)

    def reply(self, method: str, path: str, body: Any, status: int = 200, **headers: str) -> None:
        """Answer that method and path (without its query) from now on."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies[method, path] = (status, named, raw)

    def run(self, *words: str, input: str | None = None) -> Result:  # noqa: A002
        """Run a command on this installation."""
        return CliRunner().invoke(cli, [*words, "--state-dir", str(self.state_dir)], input=input)

    def write(self, name: str, content: dict[str, Any], mode: int = 0o600) -> Path:
        """Write one of the state directory's files."""
        path = self.state_dir / name
        path.write_text(json.dumps(content))
        path.chmod(mode)
        return path


def _handler(reply: Callable[[Received], Reply]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            got = Received(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
            status, headers, answer = reply(got)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_DELETE = do  # noqa: N815 (the names that http.server looks for)

        def log_message(self, *_: Any) -> None:
            """The tests look at what was received instead."""

    return Handler


class _Socket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    """Something that looks running: this test's own process is its supervisor."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("GATEHOUSE_STATE_DIR", raising=False)
    made = Installation(tmp_path, "")

    def reply(got: Received) -> Reply:
        made.received.append(got)
        missing: Reply = (404, {}, b'{"reason": "no_route", "title": "not in this test"}')
        return made.replies.get((got.method, got.target.partition("?")[0]), missing)

    class Answerer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            made.questions.append(json.loads(self.rfile.readline()))
            self.wfile.write(json.dumps(made.answers.pop(0)).encode() + b"\n")

    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(reply))
    unix = _Socket(str(tmp_path / "s.sock"), Answerer)
    for server in (http, unix):
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    made.url = f"http://127.0.0.1:{http.server_address[1]}"
    made.write("instance.json", _instance(made.url, tmp_path))
    secrets = {
        "users": {"alice": "alice-password", "bob": "bob-password"},
        "clients": {"partner": "p:s/1", "profiles": "x"},
    }
    made.write("installation.json", secrets)
    yield made
    for server in (http, unix):
        server.shutdown()
        server.server_close()


def _instance(url: str, state_dir: Path) -> dict[str, Any]:
    return {
        "supervisor_pid": os.getpid(), "started": "2025-01-01T00:00:00Z", "config": "/etc/shop.yaml",
        "admin_url": url, "public_url": url, "collector_url": url, "admin_secret": "the-secret-of-this-start",
        "supervisor_socket": str(state_dir / "s.sock"), "control_socket": str(state_dir / "c.sock"),
        "ports": {"public": 8088}, "ready_seconds": 2.5, "pss_mib": 412.0,
    }  # fmt: skip

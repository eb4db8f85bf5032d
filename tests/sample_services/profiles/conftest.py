"""A real profiles process beside an identity of the test's own, which can be made to fail."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ROLES = {
    "customer": "profiles:read profiles:write orders:read",
    "support": "profiles:read profiles:recover orders:read",
    "admin": "profiles:read profiles:write profiles:recover",
    "partner": "orders:read",
}


@dataclass
class Identity:
    """Publishes a key, signs tokens with it, grants the service its own, and takes credential resets."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    away: bool = False
    resets: list[tuple[dict[str, Any], Mapping[str, str]]] = field(default_factory=list)
    tries: int = 0
    unknown: set[str] = field(default_factory=set)
    url: str = ""

    def token(self, subject: str, role: str, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": "https://identity.shop.example",
            "sub": subject,
            "aud": "shop",
            "iat": now,
            "exp": now + 600,
            "client_id": "shop",
            "scope": ROLES[role],
            "roles": [role],
        }
        return jwt.encode({**claims, **changes}, self.key, "EdDSA", headers={"kid": "test", "typ": "at+jwt"})

    def answer(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, Any]:
        match method, path:
            case "GET", "/jwks.json":
                jwk = jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
                return 200, {"keys": [{**jwk, "kid": "test", "alg": "EdDSA", "use": "sig"}]}
            case "POST", "/token":
                return 200, {"access_token": "the service's own", "expires_in": 600}
            case "POST", "/credential-resets":
                self.tries += 1
                if self.away:
                    return 503, {}
                if json.loads(body)["username"] in self.unknown:
                    return 404, {}
                self.resets.append((json.loads(body), headers))
                return 202, {}
        return 404, {}


@contextmanager
def serving(identity: Identity) -> Iterator[Identity]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, document = identity.answer(self.command, self.path, body, headers)
            answer = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet: tests say what they see."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    identity.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield identity
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Running:
    """A profiles process that answers at `url`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def running(directory: Path, identity: Identity, **settings: Any) -> Iterator[Running]:
    document = {
        "service": "profiles",
        "instance": "profiles-1",
        "data_dir": str(directory / "data"),
        "peers": {"identity": identity.url},
        "public_url": "http://gateway.example:8088",
        "secrets": {"client_secret": "for-tests"},
        **settings,
    }
    path = directory / "settings.json"
    path.write_text(json.dumps(document))
    log = directory / "log"
    with log.open("ab") as stderr:
        start = log.stat().st_size
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "sample_services.profiles", "--settings", str(path)], stderr=stderr
        )
        try:
            yield Running(f"http://127.0.0.1:{_port(process, log, start)}", process, log)
        finally:
            if process.poll() is None:
                process.terminate()
                assert process.wait(10) == 0


def _port(process: subprocess.Popen[bytes], log: Path, start: int) -> int:
    """The port it took, from its log."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_bytes()[start:].splitlines(keepends=True):
            if line.endswith(b"\n") and json.loads(line).get("message") == "listening":
                return int(json.loads(line)["port"])
        time.sleep(0.02)
    raise AssertionError(f"the service does not listen:\n{log.read_text()}")


@pytest.fixture(scope="module")
def identity() -> Iterator[Identity]:
    with serving(Identity()) as identity:
        yield identity


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, identity: Identity) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("profiles"), identity) as service:
        yield service


class Caller(requests.Session):
    """Calls the service with one token, by path."""

    def __init__(self, base: str, token: str | None) -> None:
        super().__init__()
        self.trust_env = False
        self.base = base
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def send_to(self, method: str, path: str, **options: Any) -> requests.Response:
        return super().request(method, self.base + path, timeout=5, **options)


@pytest.fixture
def caller(service: Running, identity: Identity) -> Iterator[Any]:
    """`caller("alice", "customer")` is a session as alice; `caller()` has no token."""
    opened: list[Caller] = []

    def make(subject: str | None = None, role: str = "customer") -> Caller:
        opened.append(Caller(service.url, identity.token(subject, role) if subject else None))
        return opened[-1]

    yield make
    for session in opened:
        session.close()


@pytest.fixture
def fresh_identity() -> Iterator[Identity]:
    """An identity of one test's own."""
    with serving(Identity()) as identity:
        yield identity


@pytest.fixture
def run_profiles() -> Any:
    """`with run_profiles(directory, identity) as (service, call)`: a process of the test's own."""

    @contextmanager
    def run(directory: Path, identity: Identity) -> Iterator[tuple[Running, Any]]:
        with running(directory, identity) as service, ExitStack() as sessions:

            def call(service: Running, subject: str, role: str) -> Caller:
                return sessions.enter_context(Caller(service.url, identity.token(subject, role)))

            yield service, call

    return run

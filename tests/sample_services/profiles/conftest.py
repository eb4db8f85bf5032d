"""A real profiles process beside an identity of the test's own, which can be made to fail."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


@pytest.fixture(scope="module")
def identity() -> Iterator[Identity]:
    with serving(Identity()) as identity:
        yield identity


@pytest.fixture
def fresh_identity() -> Iterator[Identity]:
    """An identity of one test's own."""
    with serving(Identity()) as identity:
        yield identity


def profiles_settings(identity: Identity) -> dict[str, Any]:
    return {
        "peers": {"identity": identity.url},
        "public_url": "http://gateway.example:8088",
        "secrets": {"client_secret": "for-tests"},
    }


@pytest.fixture(scope="module")
def service(start_shared_service: Any, identity: Identity) -> Any:
    """One profiles process for all tests of a module."""
    return start_shared_service("profiles", "sample_services.profiles", **profiles_settings(identity))


@pytest.fixture
def start_profiles(start_service: Any, fresh_identity: Identity) -> Any:
    """`start_profiles()`: a process of the test's own beside `fresh_identity`; again: on the same data."""

    def start() -> Any:
        return start_service("profiles", "sample_services.profiles", **profiles_settings(fresh_identity))

    return start


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
def caller_of() -> Iterator[Any]:
    """`caller_of(service, token)` is a session with that token."""
    with ExitStack() as sessions:
        yield lambda service, token: sessions.enter_context(Caller(service.url, token))


@pytest.fixture
def caller(service: Any, identity: Identity, caller_of: Any) -> Any:
    """`caller("alice", "customer")` is a session as alice; `caller()` has no token."""

    def make(subject: str | None = None, role: str = "customer") -> Caller:
        session: Caller = caller_of(service, identity.token(subject, role) if subject else None)
        return session

    return make

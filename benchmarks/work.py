"""The work that every proxy does, and what it needs: keys, a token, the upstream."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

TEMPLATES = Path(__file__).parent / "peers"
ANSWER = '{"id":1,"item":"lamp","qty":2,"owner":"alice","status":"shipped","notes":"' + "x" * 52 + '"}'
ROUTES = 100


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens.

    Raises:
        RuntimeError: the process ended, or nothing listens after ten seconds.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {port} (exit code {process.poll()})")


@dataclass(frozen=True)
class Work:
    """One run's keys, token and directory."""

    directory: Path
    jwks: str
    public_key: Path
    token: str
    upstream_port: int

    def fill(self, template: str, name: str, **values: str) -> Path:
        """A peer's configuration with its blanks filled in."""
        text = (TEMPLATES / template).read_text()
        for blank, value in {"DIR": str(self.directory), "JWKS": self.jwks, **values}.items():
            text = text.replace("{{" + blank + "}}", value)
        path = self.directory / name
        path.write_text(text)
        return path


def prepare(directory: Path) -> Work:
    """Make keys and a token."""
    key = rsa.generate_private_key(65537, 2048)
    jwk = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": "k", "alg": "RS256", "use": "sig"}
    public_key = directory / "public.pem"
    public_key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    claims = {
        "iss": "https://id.local",
        "aud": "gw",
        "sub": "alice",
        "scope": "orders:read orders:write",
        "exp": int(time.time()) + 86_400,
    }
    token = jwt.encode(claims, key, "RS256", headers={"kid": "k"})
    return Work(directory, json.dumps({"keys": [jwk]}), public_key, token, free_port())


def start_upstream(work: Work, core: int) -> subprocess.Popen[bytes]:
    """nginx with a small JSON answer and the issuer's keys.

    Raises:
        RuntimeError: nginx is not installed.
    """
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        raise RuntimeError("the upstream is nginx, which is not installed (Debian: apt-get install nginx-light)")
    action = f"return 200 '{ANSWER}';"
    port = str(work.upstream_port)
    path = work.fill("nginx.conf", "upstream.conf", PORT=port, UPSTREAM_PORT=port, ACTION=action)
    return start(["nginx", "-c", str(path)], core, work.upstream_port, executable=nginx)


def start(
    command: list[str], core: int, port: int, executable: str | None = None, pass_fds: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    """Start a server pinned to one core and wait until it listens."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), executable or command[0], *command[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=pass_fds,
    )
    wait_for_port(port, process)
    return process

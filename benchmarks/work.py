"""What all proxies work with: the issuer's keys, tokens, a certificate, and two upstreams.

Upstreams: nginx with a small JSON answer, files and an upload target, as fast as any; and our own backend
(benchmarks.backend) for what nginx cannot do: endless streams, a reader that is slow, WebSocket echo, a sink for spans.
Beside them runs a Redis for the limit that is kept there.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import RSAAlgorithm

from benchmarks.processes import START_SECONDS, NotServing, free_port, last_line, start, stop, wait_until_serving
from gateway.control.supervisor.redis_server import find_binary

TEMPLATES = Path(__file__).parent / "peers"
ANSWER = '{"id":1,"item":"lamp","qty":2,"owner":"alice","status":"shipped","notes":"' + "x" * 52 + '"}'
FILES = {"64k": 65_536, "1m": 1_048_576}
CACHED_TOKENS = 1_000
"""How many verified tokens a proxy may remember: the same for all."""
UNSEEN_TOKENS = 6_000
"""So many that a token has left every cache when its turn comes again."""


@dataclass(frozen=True)
class Work:
    """One run's keys, tokens, ports and directory."""

    directory: Path
    key: rsa.RSAPrivateKey = field(repr=False)
    """The issuer's."""
    jwks: str
    token: str
    nginx_port: int
    backend_port: int
    redis_port: int

    @property
    def public_key(self) -> Path:
        """The issuer's key, as PEM."""
        return self.directory / "public.pem"

    @property
    def certificate(self) -> Path:
        """Certificate and private key of the TLS listener in one file."""
        return self.directory / "tls.pem"

    def sign(self, jti: str, **more: Any) -> str:
        """A token of the issuer's, with more claims."""
        return _token(self.key, jti, **more)

    def upstream(self, streaming: bool) -> int:
        """The port to forward to."""
        return self.backend_port if streaming else self.nginx_port

    def fill(self, template: str, name: str, **blanks: str) -> Path:
        """A peer's configuration with its blanks filled in."""
        text = (TEMPLATES / template).read_text()
        for blank, value in {"DIR": str(self.directory), "JWKS": self.jwks, **blanks}.items():
            text = text.replace("{{" + blank + "}}", value)
        path = self.directory / name
        path.write_text(text)
        return path


def prepare(directory: Path, unseen: int = 0) -> Work:
    """Make keys, tokens (`unseen` valid ones and as many with a bad signature), a certificate and the files."""
    directory.chmod(0o711)  # nginx's workers give up root, and must still reach the files
    key = rsa.generate_private_key(65537, 2048)
    jwk = {**json.loads(RSAAlgorithm.to_jwk(key.public_key())), "kid": "k", "alg": "RS256", "use": "sig"}
    work = Work(directory, key, json.dumps({"keys": [jwk]}), _token(key, "0"), free_port(), free_port(), free_port())
    work.public_key.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    _write_certificate(work.certificate)
    tokens = [_token(key, str(number)) for number in range(1, unseen + 1)]
    (directory / "unseen.txt").write_text("\n".join(tokens))
    (directory / "bad.txt").write_text("\n".join(map(spoil, tokens)))
    (directory / "files").mkdir()
    for name, size in FILES.items():
        (directory / "files" / name).write_bytes(b"x" * size)
    return work


def _token(key: rsa.RSAPrivateKey, jti: str, **more: Any) -> str:
    claims: dict[str, Any] = {"iss": "https://id.local", "aud": "gw", "sub": "alice", "jti": jti}
    claims |= {"scope": "orders:read orders:write", "exp": int(time.time()) + 86_400, **more}
    return jwt.encode(claims, key, "RS256", headers={"kid": "k"})


def spoil(token: str) -> str:
    """The same token with another signature, of the same form and length."""
    message, _, signature = token.rpartition(".")
    return f"{message}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _write_certificate(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    path.chmod(0o600)


@contextmanager
def upstreams(work: Work, core: int) -> Iterator[None]:
    """Both upstreams and a Redis, serving.

    Raises:
        NotServing: one of them does not start.
    """
    port = str(work.nginx_port)
    path = work.fill("upstream.conf", "upstream.conf", PORT=port, ANSWER=ANSWER)
    nginx = ["nginx", "-c", str(path)]
    backend = [sys.executable, "-m", "benchmarks.backend", str(work.backend_port)]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for command, wanted in ((nginx, work.nginx_port), (backend, work.backend_port)):
            log = work.directory / f"upstream-{wanted}.log"
            running.append(start(command, core, log, executable=program(command[0])))
            try:
                wait_until_serving(running[-1], wanted, "/orders/1", "")
            except NotServing as error:
                raise NotServing(f"upstream {command[0]}: {error}; {last_line(log)}") from error
        running.append(start_redis(work, core))
        yield
    finally:
        for process in running:
            stop(process)


def start_redis(work: Work, core: int) -> subprocess.Popen[bytes]:
    """A Redis that writes nothing to disk.

    Raises:
        NotServing: it does not accept connections.
    """
    command = [find_binary().path, "--port", str(work.redis_port), "--bind", "127.0.0.1", "--save", ""]
    process = start(command, core, work.directory / "redis.log")
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", work.redis_port), 1).close()
            return process
        except OSError:
            time.sleep(0.02)
    stop(process)
    raise NotServing(f"redis: {last_line(work.directory / 'redis.log')}")


def program(name: str) -> str | None:
    """Where a program is; servers often stand in /usr/sbin, which is not in everybody's PATH."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/bin")

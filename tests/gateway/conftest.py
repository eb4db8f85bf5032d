"""A gateway on a free port of this process, in front of upstreams that say exactly what a test tells them."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from textwrap import dedent

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.compile.load import load_text
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker
from gateway.spec.models import Spec
from gateway.upstream.resolver import Resolver
from gateway.upstream.workload import Workload
from tests.gateway.redis_process import RedisProcess

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Upstream:
    """A raw server: `seen` holds the bytes of each request's head."""

    address: str
    server: asyncio.Server
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0
    tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict)
    """The conversations, each with the connection that it is held on."""


@dataclass
class Gateway:
    """A worker with its listeners, in this process."""

    worker: Worker
    listeners: dict[str, Listener]
    ports: dict[str, int]

    def apply(self, text: str, version: int = 2) -> None:
        """Another configuration, as the edge takes it up."""
        spec = load_text(dedent(text), "test.yaml", {})
        for one in spec.listeners:
            self.listeners[one.name].check(one)
        self.worker.apply(spec, {}, version)
        for one in spec.listeners:
            self.listeners[one.name].configure(one)

    async def raw(self, data: bytes, listener: str = "public", wait: float = 5.0) -> bytes:
        """Send bytes, read until the gateway closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[listener])
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), wait)
        finally:
            writer.close()

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter's samples with these labels."""
        samples = [sample for family in self.worker.metrics.families() for sample in family["samples"]]
        return float(
            sum(value for found, tags, value, _ in samples if found == name and labels.items() <= tags.items())
        )


@dataclass(frozen=True)
class Files:
    """A certificate and its key, as files."""

    cert: Path
    key: Path

    def __str__(self) -> str:
        """As a configuration names them."""
        return f'{{cert: "{self.cert}", key: "{self.key}"}}'


class Authority:
    """A certificate authority that signs whatever a test asks for."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.file = folder / f"{name}.pem"
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} of a test")])
        basic = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key, timedelta(days=-1), timedelta(days=9))
        certificate = builder.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self,
        file: str,
        names: Sequence[str] = (),
        *,
        uri: str = "",
        begins: timedelta = timedelta(hours=-1),
        ends: timedelta = timedelta(days=1),
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> Files:
        """Write `file`.pem and `file`.key; issuing again under the same name renews the files."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, file)])
        builder = self._builder(subject, key, begins, ends)
        found: list[x509.GeneralName] = [_general(name) for name in names]
        if uri:
            found.append(x509.UniformResourceIdentifier(uri))
        if found:
            builder = builder.add_extension(x509.SubjectAlternativeName(found), critical=False)
        files = Files(self.folder / f"{file}.pem", self.folder / f"{file}.key")
        files.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        files.key.chmod(0o600)
        return files

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins: timedelta, ends: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        return builder.not_valid_before(now + begins).not_valid_after(now + ends)

    def client(self, own: Files | None = None) -> ssl.SSLContext:
        """What a client uses that believes this authority."""
        context = ssl.create_default_context(cafile=str(self.file))
        if own is not None:
            context.load_cert_chain(own.cert, own.key)
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@pytest.fixture
def authority(tmp_path: Path) -> Callable[..., Authority]:
    """Make a certificate authority; each name is another one."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return lambda name="ca": Authority(folder, name)


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[[bytes | Answer], Awaitable[Upstream]]]:
    """Start an upstream that answers every request with the given bytes, or as a function does."""
    started: list[Upstream] = []

    async def start(answer: bytes | Answer) -> Upstream:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    one.seen.append(head)
                    if callable(answer):
                        await answer(reader, writer)
                    else:
                        writer.write(answer)
                        await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass  # the gateway closed the connection, or the test is over: how every conversation here ends
            finally:
                writer.close()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not one.server.is_serving():  # a gateway that outlives this server still had it in its queue
                writer.transport.abort()
                return
            one.connections += 1
            one.tasks[asyncio.ensure_future(serve(reader, writer))] = writer

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        one = Upstream(f"{host}:{port}", server)
        started.append(one)
        return one

    yield start
    for one in started:
        one.server.close()
        serving = [task for task in one.tasks if not task.done()]
        for task in serving:
            task.cancel()
            one.tasks[task].transport.abort()  # a task that had not begun closes nothing
        await asyncio.gather(*serving, return_exceptions=True)
        for task in serving:
            if not task.cancelled():
                task.result()


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Gateway]]]:
    """Start a gateway from the text of a configuration; listeners get free ports whatever the text says.

    `workload` is who it is in a mesh, `app_secret` what it and its service know, if it is a sidecar; `resolver` knows
    host names, the system's if nobody does.
    """
    running: list[tuple[Gateway, asyncio.Task[None]]] = []
    (tmp_path / "logs").mkdir(exist_ok=True)

    async def start(
        text: str | Spec,
        workload: Workload | None = None,
        app_secret: str = "",
        resolver: Resolver | None = None,
    ) -> Gateway:
        loop = asyncio.get_running_loop()
        worker = Worker(
            "test-1", loop.time, Random(7), tmp_path, workload=workload, app_secret=app_secret, resolver=resolver
        )
        spec = load_text(dedent(text), "test.yaml", {}) if isinstance(text, str) else text
        worker.apply(spec, {}, 1)
        listeners, ports = {}, {}
        for one in spec.listeners:
            listeners[one.name] = Listener(one, worker)
            sock = socket.create_server(("127.0.0.1", 0))
            ports[one.name] = sock.getsockname()[1]
            await listeners[one.name].start(sock)
        running.append((Gateway(worker, listeners, ports), asyncio.create_task(sweep(worker, listeners))))
        return running[-1][0]

    yield start
    for one, task in running:
        task.cancel()
        for listener in one.listeners.values():
            listener.drain()
            listener.abort()
        for cluster in one.worker.snapshot.clusters.values():
            cluster.retire()
        for provider in one.worker.snapshot.providers.values():
            await provider.close()
        for store in one.worker.snapshot.stores.values():
            await store.close()
        one.worker.access_log.close()
    await asyncio.sleep(0)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    """A real Redis of this test's own."""
    one = RedisProcess(tmp_path)
    one.start()
    yield one
    one.kill()


async def sweep(worker: Worker, listeners: dict[str, Listener]) -> None:
    """What the edge does between requests."""
    while True:
        await asyncio.sleep(0.01)
        worker.sweep()
        for listener in listeners.values():
            listener.sweep()
        for cluster in worker.snapshot.clusters.values():
            cluster.sweep(worker.clock())

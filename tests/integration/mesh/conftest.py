"""The shop as a mesh of real processes, and strangers who have what they should not have.

A test forges identities with the installation's own root, whose key lies where only this user can read it: nothing
weaker would come past the handshake. What a test breaks it puts right again.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.mesh.authority.certificates import make_workload
from gateway.mesh.authority.issuer import Intermediate
from gateway.mesh.authority.root import fresh_intermediate
from gateway.mesh.identity import identity_of
from gateway.mesh.request import new_request
from gateway.upstream.workload import Workload

ROOT = Path(__file__).parents[3]
SERVICES = ("identity", "orders", "profiles", "storefront")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts the whole shop."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.whole_system)


@dataclass(frozen=True)
class Told:
    """What came back over a mesh connection."""

    status: int
    body: bytes

    @property
    def reason(self) -> str:
        """Of a problem document."""
        return str(json.loads(self.body)["reason"])


class Mesh:
    """A running mesh; `shop` is the shop itself."""

    def __init__(self, shop: Any, file: Path) -> None:
        self.shop, self.file = shop, file

    # -- what it says of itself

    def status(self) -> dict[str, Any]:
        """`gatehouse mesh status`."""
        found: dict[str, Any] = self.shop.admin("GET", "/mesh").json()
        return found

    def topology(self) -> dict[str, Any]:
        """`gatehouse mesh topology`."""
        found: dict[str, Any] = self.shop.admin("GET", "/mesh/topology").json()
        return found

    def edge(self, source: str, destination: str) -> dict[str, Any] | None:
        """Of the topology."""
        edges = self.topology()["edges"]
        return next((one for one in edges if (one["source"], one["destination"]) == (source, destination)), None)

    def denied(self, source: str, destination: str) -> float:
        """How often a policy of the destination has refused the source."""
        found = self.topology()["denials"]
        return float(sum(one["count"] for one in found if (one["source"], one["destination"]) == (source, destination)))

    def turned_away(self, service: str, reason: str) -> float:
        """How many connections its sidecar has turned away for this."""
        (node,) = (one for one in self.topology()["nodes"] if one["name"] == service)
        return float(node["turned_away"].get(reason, 0))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of what sidecars count with these labels."""
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        lines = self.shop.admin("GET", "/mesh/metrics").body.decode().splitlines()
        found = (line.rpartition(" ") for line in lines if line.startswith(f"{name}{{"))
        return sum(float(value) for sample, _, value in found if all(one in sample for one in wanted))

    def authority(self) -> dict[str, Any]:
        """`gatehouse mesh certificates`."""
        found: dict[str, Any] = json.loads(self.shop.gatehouse("mesh", "certificates", "--json"))
        return found

    # -- ways in

    def inbound(self, service: str) -> tuple[str, int]:
        """Where its sidecar, or the egress gateway, listens to the mesh."""
        if service == "egress":
            return "127.0.0.1", self.shop.ports["to-payments"]
        (one,) = (one for one in self.status()["sidecars"] if one["service"] == service)
        host, _, port = one["address"].rpartition(":")
        return host, int(port)

    def listening(self, process: str) -> list[int]:
        """The ports of a process."""
        found = psutil.Process(self.shop.processes()[process]["pid"]).net_connections("tcp")
        return sorted({one.laddr.port for one in found if one.status == psutil.CONN_LISTEN})

    def outbound(self, service: str) -> list[int]:
        """The ports at which its sidecar takes calls for others."""
        return [port for port in self.listening(f"{service}-sidecar") if port != self.inbound(service)[1]]

    def files(self, identity: str, *, began: float = 0.0, life: float = 600.0) -> tuple[bytes, bytes, bytes]:
        """Key, chain and root of a forged certificate, PEM; `began` seconds from now."""
        now = time.time()
        signer = Intermediate.read(fresh_intermediate(self.shop.state / "mesh", now, rotate=False), 1)
        key, request = new_request()
        asked, lasts = x509.load_pem_x509_csr(request.encode()), timedelta(seconds=life)
        made = make_workload(asked, identity, signer.certificate, signer.key, now + began, lasts)
        chain = made.public_bytes(Encoding.PEM) + signer.certificate.public_bytes(Encoding.PEM)
        return key, chain, signer.root.encode()

    def forged(self, identity: str, *, began: float = 0.0, life: float = 600.0) -> ssl.SSLContext:
        """For a client with a certificate of the installation's own root."""
        key, chain, root = self.files(identity, began=began, life=life)
        workload = Workload(identity)
        workload.install(chain, key, root)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        workload.equip(context)
        return context

    def of(self, service: str) -> ssl.SSLContext:
        """For a client that has this service's identity."""
        return self.forged(identity_of(service))

    def nobody(self) -> ssl.SSLContext:
        """For a client without a certificate, which believes the mesh."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.shop.state / "mesh" / "root.pem")
        return context

    def call(self, service: str, method: str, path: str, context: ssl.SSLContext, *fields: str) -> Told:
        """One request to a service's sidecar, from this very process.

        Raises:
            OSError: nobody talks to us.
        """
        plain = socket.create_connection(self.inbound(service), timeout=10)
        with closing(plain), context.wrap_socket(plain) as tls:
            said = "".join(f"{field}\r\n" for field in (*fields, "Connection: close"))
            tls.sendall(f"{method} {path} HTTP/1.1\r\nHost: {service}\r\n{said}\r\n".encode())
            answer = b"".join(iter(lambda: tls.recv(65_536), b""))
        if not answer:
            raise ConnectionError("closed without an answer")
        head, _, body = answer.partition(b"\r\n\r\n")
        return Told(int(head.split()[1]), body)

    @contextmanager
    def edited(self, old: str, new: str) -> Iterator[None]:
        """Another mesh.yaml, served by all; afterwards all is as it was."""
        before = self.file.read_text()
        assert before.count(old) == 1, old
        self.save(before.replace(old, new))
        try:
            yield
        finally:
            self.save(before)

    def save(self, text: str) -> None:
        """As an editor would; returns when every sidecar serves it."""
        version = self.status()["version"]
        fresh = self.file.with_suffix(".new")
        fresh.write_text(text)
        same = text == self.file.read_text()
        fresh.replace(self.file)
        wait(lambda: same or ((now := self.status())["version"] > version and now["ready"]))


def wait(look: Callable[[], Any], seconds: float = 20.0) -> Any:
    """What `look` gives once it is true."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return seen


async def soon(look: Callable[[], Any], seconds: float = 20.0) -> Any:
    """The same beside others."""
    return await asyncio.to_thread(wait, look, seconds)


StartMesh = Callable[..., Any]


@pytest.fixture(scope="session")
def start_mesh(start_shop: Any, tmp_path_factory: pytest.TempPathFactory) -> StartMesh:
    """start_mesh("certificateLife: 4s"): a mesh whose file begins with these lines; what follows are words of `up`."""

    @contextmanager
    def start(lines: str = "", *words: str) -> Iterator[Mesh]:
        file = tmp_path_factory.mktemp("mesh") / "mesh.yaml"
        shutil.copy(ROOT / "config" / "mesh.yaml", file)
        file.write_text(f"{lines}\n{file.read_text()}")
        with start_shop("--mesh-config", str(file), *words) as shop:
            yield Mesh(shop, file)

    return start


@pytest.fixture(scope="session")
def mesh(start_mesh: StartMesh) -> Iterator[Mesh]:
    """The mesh that nearly all tests here share; beside it runs a Prometheus, where this machine has one."""
    with start_mesh("", "--prometheus") as one:
        yield one


@pytest.fixture(name="until")
def until_fixture() -> Any:
    """until(look, seconds): waits for something to become true; bounded."""
    return wait


@pytest.fixture(name="soon")
def soon_fixture() -> Any:
    """await soon(look, seconds): the same, while load runs."""
    return soon

"""What sidecars are sent, over real mutual TLS: each its own, numbered, and nothing to strangers."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_mesh_file
from gateway.control.channel import Worker
from gateway.control.mesh.channel import MAX_LINES, SidecarChannel
from gateway.control.mesh.plane import MeshPlane
from gateway.control.mesh.registry import Registry
from gateway.control.reload import Override
from gateway.mesh.identity import identity_of
from gateway.spec.mesh import Members
from gateway.upstream.workload import Workload
from tests.waiting import until

PEERS = {"identity": (), "orders": ("identity",)}
MEMBERS = Members(PEERS, {name: identity_of(name) for name in (*PEERS, "gateway", "control")})
FILE = """
services:
  - name: identity
    filters: [{type: AuthorizationPolicy, allow: [{name: all, principals: [orders]}]}]
"""


class Events:
    """Hands what comes to the plane; the rest is of no interest here."""

    plane: MeshPlane

    def __init__(self) -> None:
        self.wrong: list[str] = []

    def hello(self, worker: Worker) -> None:
        self.plane.came(worker)

    def gone(self, worker: Worker) -> None:
        self.plane.went(worker)

    def broken(self, error: str) -> None:
        self.wrong.append(error)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Control:
    def __init__(self, folder: Path, authority: Any) -> None:
        self.file = folder / "mesh.yaml"
        self.file.write_text(FILE)
        self.authority, self.events = authority, Events()
        self.told: list[dict[str, list[str]]] = []
        self.workload = self.member("control")
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self.channel = SidecarChannel(listening, self.workload, self.events)
        self.now = 0.0
        self.lines: list[asyncio.StreamWriter] = []
        self.plane = MeshPlane(
            self.file,
            lambda path, text: load_mesh_file(path, {}, MEMBERS, text),
            Registry(lambda: self.now),
            lambda: self.channel.workers,
            self._changed,
        )
        self.events.plane = self.plane
        self._listening = listening

    async def _changed(self, endpoints: Any) -> None:
        self.told.append(dict(endpoints))

    def member(self, name: str, uri: str = "") -> Workload:
        files = self.authority.issue(f"{name}-{id(self)}", uri=uri or identity_of(name))
        one = Workload(identity_of(name))
        one.install(files.cert.read_bytes(), files.key.read_bytes(), self.authority.file.read_bytes())
        return one

    async def dial(self, workload: Workload | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if workload is None:
            context.check_hostname = False
            context.load_verify_locations(self.authority.file)
        else:
            workload.equip(context)
        line = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, limit=2**24)
        self.lines.append(line[1])
        return line

    async def sidecar(self, service: str, name: str = "", speaks_for: str = "", **hello: Any) -> Sidecar:
        reader, writer = await self.dial(self.member(service))
        told = {"role": "sidecar", "service": speaks_for or service, "address": "127.0.0.1:7", "pid": 1, **hello}
        writer.write(json.dumps({"type": "hello", "worker": name or f"{service}-sidecar", **told}).encode() + b"\n")
        return Sidecar(reader, writer)

    async def close(self) -> None:
        for line in self.lines:
            line.close()
        await self.channel.stop()
        self._listening.close()


class Sidecar:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await asyncio.wait_for(self.reader.readline(), 5))
        return message

    async def rest(self) -> bytes:
        """What comes until control ends the line."""
        try:
            return await asyncio.wait_for(self.reader.read(), 5)
        except OSError:  # reset, or TLS says that no certificate came
            return b""

    def ack(self, version: int, error: str | None = None) -> None:
        said = {"type": "ack", "version": version, "accepted": error is None, "error": error}
        self.writer.write(json.dumps(said).encode() + b"\n")


@pytest.fixture
async def control(tmp_path: Path, authority: Any) -> AsyncIterator[Control]:
    one = Control(tmp_path, authority())
    await one.plane.start()
    await one.channel.start()
    running = asyncio.create_task(one.plane.run())
    yield one
    running.cancel()
    await one.close()


async def test_a_sidecar_gets_its_own_configuration_and_the_addresses_that_it_calls(control: Control) -> None:
    identity = await control.sidecar("identity", address="127.0.0.1:1")
    await identity.hear()
    orders = await control.sidecar("orders", address="127.0.0.1:2")
    message = await orders.hear()
    assert [one["name"] for one in message["spec"]["routes"]] == ["into-orders", "orders-to-identity"]
    assert message["endpoints"] == {"identity": ["127.0.0.1:1"]}
    await until(lambda: control.told[-1:] == [{"identity": ["127.0.0.1:1"], "orders": ["127.0.0.1:2"]}])


async def test_everybody_serves_what_is_in_force_or_it_shows(control: Control) -> None:
    sidecars = [await control.sidecar("identity"), await control.sidecar("orders")]
    await until(lambda: bool(control.told))
    assert not control.plane.ready()
    for one in sidecars:
        one.ack(control.plane.state.version)
    await until(control.plane.ready)
    control.file.write_text(FILE.replace("orders", "gateway"))
    assert await control.plane.reload()
    assert not control.plane.ready()
    sidecars[0].ack(control.plane.state.version)
    sidecars[1].ack(control.plane.state.version, "it does not compile")
    await until(lambda: any(one.error == "it does not compile" for one in control.channel.workers))
    assert not control.plane.ready()


async def test_a_broken_file_changes_nothing_and_is_told_with_its_line(control: Control) -> None:
    before, version = dict(control.plane.state.specs), control.plane.state.version
    control.file.write_text(FILE.replace("principals", "principal"))
    assert not await control.plane.reload()
    assert control.plane.state.specs == before
    assert control.plane.state.version == version
    assert "mesh.yaml:4" in control.plane.state.errors[0]
    control.file.write_text(FILE)
    assert await control.plane.reload()
    assert control.plane.state.errors == ()


async def test_a_text_stands_in_for_the_file_until_it_is_taken_away(control: Control) -> None:
    weak = Override(FILE.replace("orders", "gateway"), "a lesson", 0.0)
    before = dict(control.plane.state.specs)
    answering = asyncio.create_task(acknowledge(await control.sidecar("identity"), await control.sidecar("orders")))
    assert await control.plane.replace(weak) == ()
    assert control.plane.state.specs != before
    control.file.write_text(FILE + "\n")
    assert await control.plane.reload()  # a change of the file waits
    assert control.plane.state.specs != before
    wrong = await control.plane.replace(Override(FILE.replace("principals", "principal"), "broken", 0.0))
    assert "mesh.yaml:4" in wrong[0]
    assert (control.plane.override, control.plane.state.errors) == (weak, ())
    assert await control.plane.replace(None) == ()
    assert control.plane.state.specs == before
    assert control.plane.ready()
    answering.cancel()


async def acknowledge(*sidecars: Sidecar) -> None:
    """As sidecars that take whatever they are sent."""

    async def one(sidecar: Sidecar) -> None:
        while True:
            sidecar.ack((await sidecar.hear())["version"])

    await asyncio.gather(*map(one, sidecars))


@pytest.mark.parametrize(
    "hello",
    [
        {"speaks_for": "identity"},
        {"role": "edge"},
        {"address": ""},
        {"address": "evil.example:80"},
        {"pid": -1},
        {"name": "identity-sidecar"},
        {"name": "gateway-1"},
    ],
    ids=str,
)
async def test_nobody_speaks_for_another_service(control: Control, hello: dict[str, Any]) -> None:
    rogue = await control.sidecar("orders", **hello)
    assert await rogue.rest() == b""
    assert control.plane.registry.entries == {}
    assert len(control.events.wrong) == 1


async def test_one_service_takes_no_line_away_from_others(control: Control) -> None:
    for number in range(MAX_LINES):
        await (await control.sidecar("orders", name=f"orders-{number}")).hear()
    assert await (await control.sidecar("orders", name="orders-more")).rest() == b""
    assert await (await control.sidecar("identity")).hear()


async def test_a_line_does_not_outlive_the_certificate_that_it_was_made_with(control: Control) -> None:
    orders = await control.sidecar("orders")
    await orders.hear()
    control.channel.sweep(time.time())
    assert len(control.channel.workers) == 1
    expires = ssl.cert_time_to_seconds(control.channel.workers[0].writer.get_extra_info("peercert")["notAfter"])
    control.channel.sweep(expires - 60)
    await until(lambda: not control.channel.workers)
    await orders.rest()


async def test_who_is_shut_out_is_cut_off_whatever_its_certificate(control: Control) -> None:
    orders = await control.sidecar("orders")
    await orders.hear()
    control.workload.trust(control.workload.bundle, frozenset(), frozenset({identity_of("orders")}))
    await until(lambda: not control.channel.workers)
    control.channel.sweep(time.time())
    assert await (await control.sidecar("orders")).rest() == b""


async def test_without_a_certificate_or_from_another_domain_nothing_is_heard(control: Control) -> None:
    reader, writer = await control.dial(None)
    assert await Sidecar(reader, writer).rest() == b""
    stranger = control.member("orders", uri="spiffe://elsewhere.example/ns/shop/sa/orders")
    reader, writer = await control.dial(stranger)
    said = {"type": "hello", "role": "sidecar", "service": "orders", "worker": "x", "pid": 1, "address": "127.0.0.1:7"}
    writer.write(json.dumps(said).encode() + b"\n")
    assert await Sidecar(reader, writer).rest() == b""
    assert control.plane.registry.entries == {}


async def test_who_is_revoked_is_cut_off_and_its_addresses_go_after_the_lease(control: Control) -> None:
    orders = await control.sidecar("orders")
    await orders.hear()
    await until(lambda: bool(control.told))
    serial = int(control.channel.workers[0].writer.get_extra_info("peercert")["serialNumber"], 16)
    control.workload.trust(control.workload.bundle, frozenset({serial}))
    await orders.rest()
    await until(lambda: not control.channel.workers)
    control.now += 6
    await until(lambda: control.told[-1] == {})

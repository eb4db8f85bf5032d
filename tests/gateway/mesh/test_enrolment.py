"""Workloads and a real authority over real TLS: enrolment, renewal, revocation, change of roots."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import sys
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway.mesh import bootstrap
from gateway.mesh.authority.issuer import Intermediate, Issuer
from gateway.mesh.authority.root import fresh_intermediate
from gateway.mesh.authority.server import AuthorityServer
from gateway.mesh.enrolment import Enrolment, MeshSettings, NotEnrolled
from gateway.mesh.identity import identity_of
from gateway.mesh.lines import as_line, read_line
from gateway.mesh.request import new_request
from gateway.upstream.workload import Workload
from tests.waiting import until

KEY = b"k" * 32
ORDERS = identity_of("orders")


class Place:
    """An authority on a free port of this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.life = 600.0
        self.started = 0
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.bundle = ""

    async def start(self, stack: AsyncExitStack) -> AuthorityServer:
        document = fresh_intermediate(self.folder / "root", time.time(), rotate=False)
        self.bundle = document["bundle"]
        issuer = Issuer(Intermediate.read(document, 1), KEY, self.life, time.time, self.folder / "out.json")
        server = AuthorityServer(issuer, Workload(identity_of("authority")), time.time)
        await server.start(self.socket.dup())
        stack.push_async_callback(server.stop)
        tending = asyncio.create_task(server.tend())
        stack.callback(tending.cancel)
        return server

    def settings(self, identity: str = ORDERS, **changed: Any) -> MeshSettings:
        told = {"identity": identity, "authority": f"127.0.0.1:{self.port}", "bundle": self.bundle}
        self.started += 1
        token = bootstrap.mint(KEY, identity, f"process-{self.started}", time.time())
        return MeshSettings(**{**told, "token": token, **changed})

    def enrolment(self, identity: str = ORDERS, **changed: Any) -> Enrolment:
        return Enrolment(Workload(identity), self.settings(identity, **changed), Random(1))


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
async def place(tmp_path: Path, stack: AsyncExitStack) -> Place:
    one = Place(tmp_path)
    stack.callback(lambda: one.socket.close())
    return one


def keep(stack: AsyncExitStack, enrolment: Enrolment) -> None:
    task = asyncio.create_task(enrolment.run())
    stack.callback(task.cancel)


async def test_a_process_comes_to_its_identity_with_its_token(place: Place, stack: AsyncExitStack) -> None:
    server = await place.start(stack)
    one = place.enrolment()
    await one.first()
    assert one.workload.generation == 1
    assert server.results["enrol", "granted"] == 1
    with pytest.raises(NotEnrolled, match="token_used"):
        await one.first()


async def test_a_certificate_can_be_left_to_expire(place: Place, stack: AsyncExitStack) -> None:
    place.life = 2.0
    server = await place.start(stack)
    lapsing, other = place.enrolment(life=1.0, renews=False), place.enrolment()
    for one in (lapsing, other):
        await one.first()
        keep(stack, one)
    assert lapsing.workload.expires < other.workload.expires
    await until(lambda: other.workload.generation >= 3)
    assert lapsing.workload.generation == 1
    assert server.results["renew", "granted"] == other.workload.generation - 1


async def test_a_process_waits_for_an_authority_that_is_not_there_yet(place: Place, stack: AsyncExitStack) -> None:
    place.bundle = fresh_intermediate(place.folder / "root", time.time(), rotate=False)["bundle"]
    closed = socket.create_server(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    one = place.enrolment(authority=f"127.0.0.1:{port}")
    waiting = asyncio.create_task(one.first())
    await asyncio.sleep(0)
    place.socket.close()
    place.socket = socket.create_server(("127.0.0.1", port))
    await place.start(stack)
    await asyncio.wait_for(waiting, 10)
    assert one.workload.generation == 1


async def test_a_stranger_in_the_place_of_the_authority_learns_no_token(place: Place, authority: Any) -> None:
    """It has a good certificate, of another authority than the one that the process was told to believe."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(10_000))
        writer.close()

    files = authority().issue("stranger", uri=identity_of("authority"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    place.bundle = fresh_intermediate(place.folder / "root", time.time(), rotate=False)["bundle"]
    async with await asyncio.start_server(serve, sock=place.socket.dup(), ssl=context):
        first = asyncio.create_task(place.enrolment().first())
        await asyncio.wait({first}, timeout=0.3)
        assert not first.done()
        first.cancel()
    assert b"token" not in b"".join(heard)


async def test_another_workload_cannot_pass_for_the_authority(place: Place, stack: AsyncExitStack) -> None:
    server = await place.start(stack)
    imposter = place.enrolment(identity_of("profiles"))
    await imposter.first()
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(10_000))
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    imposter.workload.equip(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        port = listening.sockets[0].getsockname()[1]
        first = asyncio.create_task(place.enrolment(authority=f"127.0.0.1:{port}").first())
        await until(lambda: bool(heard))
        assert not first.done()
        first.cancel()
    assert b"token" not in b"".join(heard)
    assert server.results["enrol", "granted"] == 1


async def test_certificates_are_renewed_in_time_for_ever(place: Place, stack: AsyncExitStack) -> None:
    place.life = 2.0
    server = await place.start(stack)
    one = place.enrolment()
    await one.first()
    keep(stack, one)
    good: list[float] = []

    def third() -> bool:
        good.append(one.workload.expires - time.time())
        return one.workload.generation >= 4

    await until(third)
    assert min(good) > 0
    assert server.results["renew", "granted"] >= 3


async def test_the_authority_away_does_not_matter_until_the_certificate_ends(
    place: Place, stack: AsyncExitStack, tmp_path: Path
) -> None:
    place.life = 2.0
    async with AsyncExitStack() as first:
        await place.start(first)
        one = place.enrolment()
        await one.first()
        keep(stack, one)
    await until(lambda: one.workload.expires - time.time() < 0.6)
    assert one.workload.generation == 1
    await place.start(stack)
    await until(lambda: one.workload.generation > 1)
    assert one.workload.expires > time.time()


async def test_everybody_hears_of_a_revocation_and_the_revoked_gets_nothing_more(
    place: Place, stack: AsyncExitStack
) -> None:
    place.life = 3.0
    server = await place.start(stack)
    one, other = place.enrolment(), place.enrolment(identity_of("profiles"))
    for enrolment in (one, other):
        await enrolment.first()
        keep(stack, enrolment)
    await until(lambda: len(server._watchers) == 2)
    assert server.revoke(ORDERS) == 1
    await until(lambda: len(other.workload.revoked) == 1)
    assert other.workload.barred == {ORDERS}
    await until(lambda: server.results["renew", "revoked"] > 0 or server.results["connect", "revoked"] > 0)
    assert one.workload.generation == 1
    with pytest.raises(NotEnrolled, match="barred"):
        await place.enrolment().first()


async def test_the_roots_change_and_everybody_follows(place: Place, stack: AsyncExitStack) -> None:
    server = await place.start(stack)
    several = [place.enrolment(identity_of(name)) for name in ("orders", "orders", "profiles")]
    for enrolment in several:
        await enrolment.first()
        keep(stack, enrolment)
    await until(lambda: len(server._watchers) == 3)
    former = several[0].workload.bundle
    document = fresh_intermediate(place.folder / "root", time.time(), rotate=True)
    await server.adopt(Intermediate.read(document, 2))
    await until(lambda: all(one.workload.generation == 2 for one in several))
    await until(lambda: all(one.workload.bundle == document["bundle"].encode() for one in several))
    assert former not in several[0].workload.bundle
    newcomer = place.enrolment(bundle=document["bundle"])
    await newcomer.first()
    assert newcomer.workload.generation == 1


async def test_a_line_is_worth_no_more_than_the_certificate_that_it_was_made_with(
    place: Place, stack: AsyncExitStack
) -> None:
    place.life = 1.5
    server = await place.start(stack)
    one = place.enrolment()
    await one.first()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    one.workload.equip(context)
    watching, asking = [await asyncio.open_connection("127.0.0.1", place.port, ssl=context) for _ in range(2)]
    watching[1].write(as_line({"do": "watch"}))
    assert await read_line(watching[0])
    assert await asyncio.wait_for(read_line(watching[0]), 10) is None  # the authority ends it
    assert time.time() >= one.workload.expires
    asking[1].write(as_line({"do": "renew", "request": new_request().request}))
    assert await read_line(asking[0]) == {"error": "expired"}
    assert server.results["renew", "expired"] == 1
    for _, writer in (watching, asking):
        writer.close()


async def test_another_intermediate_of_the_same_root_and_everybody_follows(place: Place, stack: AsyncExitStack) -> None:
    """As the supervisor changes it every ten days, since it is good for thirty."""
    server = await place.start(stack)
    one = place.enrolment()
    await one.first()
    keep(stack, one)
    await until(lambda: len(server._watchers) == 1)
    await server.adopt(Intermediate.read(fresh_intermediate(place.folder / "root", time.time(), rotate=False), 2))
    await until(lambda: one.workload.generation == 2)
    await until(lambda: server.issuer.former is None)
    assert one.workload.bundle == place.bundle.encode()
    second = place.enrolment(identity_of("profiles"))
    await second.first()


@pytest.mark.parametrize(
    "message",
    [b'{"do": "renew", "request": "x"}\n', b'{"do": "watch"}\n', b'{"do": "enrol"}\n', b"{}\n", b"[]\n", b"x" * 70_000],
    ids=["renew without certificate", "watch", "no token", "nothing", "a list", "too long"],
)
async def test_who_has_no_certificate_can_only_enrol(place: Place, stack: AsyncExitStack, message: bytes) -> None:
    server = await place.start(stack)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=place.bundle)
    reader, writer = await asyncio.open_connection("127.0.0.1", place.port, ssl=context)
    writer.write(message)
    answer = await asyncio.wait_for(reader.read(1_000), 5)
    writer.close()
    assert b"chain" not in answer
    assert not answer or json.loads(answer) == {"error": "not_allowed"}
    assert server.issuer.register.issued()[1:] == []  # its own


async def test_the_process_as_the_supervisor_starts_it(tmp_path: Path, place: Place) -> None:
    document = fresh_intermediate(tmp_path / "root", time.time(), rotate=False)
    place.bundle = document["bundle"]
    read, write = os.pipe()
    settings = {
        "listen_fd": place.socket.fileno(),
        "intermediate": document,
        "token_key": KEY.hex(),
        "life": 600,
        "folder": str(tmp_path),
        "admin_socket": str(tmp_path / "authority.sock"),
        "admin_secret": "s" * 32,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "gateway.mesh.authority", "--settings-fd", str(read),
        pass_fds=[read, place.socket.fileno()], stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(read)
    with os.fdopen(write, "w") as pipe:
        json.dump(settings, pipe)
    try:
        one = place.enrolment()
        await asyncio.wait_for(one.first(), 20)
        assert await ask(tmp_path / "authority.sock", {"do": "list", "secret": "guess"}) == {"error": "wrong secret"}
        listed = await ask(tmp_path / "authority.sock", {"do": "list", "secret": "s" * 32})
        assert sorted(found["identity"] for found in listed["certificates"]) == [identity_of("authority"), ORDERS]
        assert {"asked": "admin", "result": "wrong_secret", "count": 1} in listed["results"]
        await none_of_these_tokens_is_good(place, one)
        wanted = {"do": "revoke", "identity": ORDERS, "secret": "s" * 32}
        assert await ask(tmp_path / "authority.sock", wanted) == {"revoked": 1}
    finally:
        process.terminate()
        _, err = await process.communicate()
    assert process.returncode == 0
    assert KEY.hex().encode() not in err


async def none_of_these_tokens_is_good(place: Place, used: Enrolment) -> None:
    """Replayed, late, and with somebody else's name written over the own one."""
    fresh = bootstrap.mint(KEY, ORDERS, "orders-9", time.time())
    claim = json.loads(urlsafe_b64decode(fresh.partition(".")[0]))
    other = urlsafe_b64encode(json.dumps(claim | {"identity": identity_of("identity")}).encode()).decode()
    tokens = {
        used._settings.token: "token_used",
        bootstrap.mint(KEY, ORDERS, "orders-9", time.time() - bootstrap.GOOD_FOR): "token_expired",
        f"{other}.{fresh.partition('.')[2]}": "token_invalid",
    }
    for token, reason in tokens.items():
        with pytest.raises(NotEnrolled, match=reason):
            await asyncio.wait_for(place.enrolment(token=token).first(), 10)


async def ask(path: Path, question: dict[str, Any]) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(as_line(question))
    answer = await read_line(reader)
    writer.close()
    assert answer is not None
    return answer


def test_nothing_secret_shows(place: Place) -> None:
    place.bundle = "x"
    settings = place.settings()
    assert settings.token not in repr(settings)
    assert new_request().key.startswith(b"-----BEGIN PRIVATE KEY-----")

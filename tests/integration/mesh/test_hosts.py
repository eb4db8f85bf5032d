"""Another host: a network namespace of its own, with a cable to ours (Linux, as root; elsewhere it is skipped).

Everything of the shop listens on loopback, so another host reaches nothing. A relay stands for the day on which
sidecars listen to the network: then the identity decides, and the network does not.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.mesh.identity import identity_of

_CABLE = f"10.203.{os.getpid() >> 6 & 255}.", (os.getpid() & 63) * 4
HERE, THERE = (f"{_CABLE[0]}{_CABLE[1] + end}" for end in (1, 2))
"""Of a network that no other run of these tests on this machine has."""
CALLER = """
import socket, ssl, sys
host, port, chain, bundle = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname = False
context.load_verify_locations(bundle)
if chain:
    context.load_cert_chain(chain)
try:
    with context.wrap_socket(socket.create_connection((host, int(port)), 30)) as tls:
        tls.sendall(b"GET /products HTTP/1.1\\r\\nHost: orders\\r\\nConnection: close\\r\\n\\r\\n")
        print(tls.recv(12).decode())
except OSError as error:
    print(type(error).__name__, error)
"""

KNOCK = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor

def knock(where):
    try:
        socket.create_connection(where, 20).close()
        return True
    except OSError:
        return False

here, *ports = sys.argv[1:]
doors = [(address, int(port)) for address in (here, "127.0.0.1") for port in ports]
with ThreadPoolExecutor(len(doors)) as pool:  # all at once: one that is silent holds up no other
    answers = list(pool.map(knock, doors))
print(json.dumps({"tried": len(doors), "open": [port for (_, port), there in zip(doors, answers) if there]}))
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """The name of a namespace whose only way out is to `HERE`."""
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need Linux, root and the command ip")
    name = f"gatehouse-{os.getpid()}"
    made = run("ip", "netns", "add", name)
    if made.returncode:
        pytest.skip(f"this machine allows no network namespace: {made.stderr.strip()}")
    ours, theirs = f"gh{os.getpid() % 100_000}a", f"gh{os.getpid() % 100_000}b"
    cable = [
        ("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name),
        ("ip", "address", "add", f"{HERE}/30", "dev", ours),
        ("ip", "link", "set", ours, "up"),
        ("ip", "-n", name, "address", "add", f"{THERE}/30", "dev", theirs),
        ("ip", "-n", name, "link", "set", theirs, "up"),
        ("ip", "-n", name, "link", "set", "lo", "up"),
    ]
    try:
        for words in cable:
            if (done := run(*words)).returncode:
                pytest.skip(f"this machine allows no cable into a namespace: {done.stderr.strip()}")
        yield name
    finally:
        run("ip", "netns", "delete", name)
        run("ip", "link", "delete", ours)


@pytest.fixture
def relay(mesh: Any, host: str) -> Iterator[int]:
    """A port at `HERE` behind which is the sidecar of orders."""
    listening = socket.create_server((HERE, 0))

    def serve() -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:  # the test is over
                return
            server = socket.create_connection(mesh.inbound("orders"))
            for one, other in ((client, server), (server, client)):
                threading.Thread(target=pump, args=(one, other), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    with closing(listening):
        yield listening.getsockname()[1]


def pump(one: socket.socket, other: socket.socket) -> None:
    try:
        while data := one.recv(65_536):
            other.sendall(data)
        other.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # either side has gone
    finally:
        one.close()


def call(host: str, mesh: Any, address: str, port: int, chain: str = "") -> str:
    """What a client on the other host gets from there."""
    bundle = str(mesh.shop.state / "mesh" / "root.pem")
    words = ("ip", "netns", "exec", host, sys.executable, "-c", CALLER, address, str(port), chain, bundle)
    return run(*words).stdout.strip()


def test_from_another_host_nothing_of_the_shop_is_reached(mesh: Any, host: str, until: Any) -> None:
    until(lambda: mesh.status()["ready"])
    pids = [one["pid"] for one in mesh.shop.processes().values() if one["state"] == "running"]
    ports = sorted({port for pid in pids for port in listening(pid)})
    assert len(ports) > 15
    told = run("ip", "netns", "exec", host, sys.executable, "-c", KNOCK, HERE, *map(str, ports))
    assert json.loads(told.stdout) == {"tried": 2 * len(ports), "open": []}, told.stderr
    here = run(
        sys.executable, "-c", KNOCK, HERE, *map(str, ports)
    )  # else it would not be the namespace that keeps them out
    assert len(json.loads(here.stdout)["open"]) == len(ports)


def listening(pid: int) -> list[int]:
    found = psutil.Process(pid).net_connections("tcp")
    return [one.laddr.port for one in found if one.status == psutil.CONN_LISTEN]


def test_and_where_a_sidecar_is_reached_the_identity_decides(
    mesh: Any, host: str, relay: int, tmp_path: Path, until: Any
) -> None:
    before = mesh.turned_away("orders", "no_client_certificate")
    assert "HTTP/1.1" not in call(host, mesh, HERE, relay)
    until(lambda: mesh.turned_away("orders", "no_client_certificate") > before)  # others may be told late
    for name, status in (("gateway", "200"), ("profiles", "403")):
        chain = tmp_path / f"{name}.pem"
        chain.write_bytes(b"".join(mesh.files(identity_of(name))[:2]))
        assert call(host, mesh, HERE, relay, str(chain)) == f"HTTP/1.1 {status}"

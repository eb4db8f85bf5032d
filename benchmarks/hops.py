"""Two hops, one behind the other, to measure what each costs: `python -m benchmarks.hops plain|mesh FD DIRECTORY PORT`.

    plain   load ─▶ gateway ─▶ gateway ─▶ upstream
    mesh    load ─▶ sidecar ══▶ sidecar ─▶ upstream       ══▶ mutual TLS, by the sidecars of `gatehouse up --mesh`

Both are real processes, children of this one, whose CPU time the load adds up. In the mesh this process is also the
certificate authority, and what a mesh's file says of two services is in force: policy, secrets of the pairs, all of it.
FD is the bound socket where the load comes in, PORT that of the upstream.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from gateway.compile.load import load_text
from gateway.compile.table import answering_types, authenticating_types, filter_types
from gateway.control.mesh.members import members_of
from gateway.mesh import bootstrap
from gateway.mesh.authority.issuer import Intermediate, Issuer
from gateway.mesh.authority.root import fresh_intermediate
from gateway.mesh.authority.server import AuthorityServer
from gateway.mesh.identity import identity_of
from gateway.spec.mesh import load_mesh
from gateway.spec.mesh_names import INBOUND, outbound
from gateway.upstream.workload import Workload

SECRET: Final = "of-the-pair"
HEADERS: Final = (("X-Gatehouse-Service", SECRET),)
"""What the load must say: it stands for the service beside the first sidecar."""
MESH: Final = """
services:
  - name: back
    filters:
      - {type: AuthorizationPolicy, allow: [{name: front, principals: [front], methods: [GET], paths: ["/{**}"]}]}
"""
PLAIN: Final = """
listeners: [{{name: public, port: 0, trustedHops: 1, maxConnectionsPerAddress: 0}}]
clusters: [{{name: next, endpoints: ["127.0.0.1:{port}"]}}]
routes: [{{name: all, public: true, backendRefs: [{{cluster: next}}]}}]
tracing: {{sampled: 0, passOn: true}}
"""


def bound() -> socket.socket:
    """A socket on a free port."""
    return socket.create_server(("127.0.0.1", 0), backlog=1_024)


def start(module: str, folder: Path, spec: dict[str, Any], settings: dict[str, Any]) -> subprocess.Popen[bytes]:
    """A process of the data plane with this configuration, which no control process changes; it logs no requests."""
    (folder / "logs").mkdir(parents=True, exist_ok=True)
    endpoints = settings.pop("endpoints", {})
    good = {"spec": spec | {"accessLog": {"enabled": False}}, "endpoints": endpoints, "version": 1}
    (folder / "good.json").write_text(json.dumps(good))
    told = settings | {"worker": folder.name, "state_dir": str(folder), "last_good": str(folder / "good.json")}
    read, write = os.pipe()
    os.write(write, json.dumps(told).encode())
    os.close(write)
    fds = (read, *settings["listeners"].values())
    process = subprocess.Popen([sys.executable, "-P", "-m", module, "--settings-fd", str(read)], pass_fds=fds)
    os.close(read)
    return process


def plain(entry: int, folder: Path, port: int) -> list[subprocess.Popen[bytes]]:
    """Two gateways."""
    between = bound()
    specs = [
        load_text(PLAIN.format(port=behind), "plain.yaml", {}).model_dump(mode="json", by_alias=True)
        for behind in (between.getsockname()[1], port)
    ]
    return [
        start("gateway.roles.edge", folder / name, spec, {"listeners": {"public": fd}})
        for name, spec, fd in zip(("front", "back"), specs, (entry, between.fileno()), strict=True)
    ]


async def mesh(entry: int, folder: Path, port: int) -> list[subprocess.Popen[bytes]]:
    """An authority, in this process, and two sidecars."""
    now, key, folder = time.time(), secrets.token_bytes(32), folder / "mesh"
    folder.mkdir()
    document = fresh_intermediate(folder, now, rotate=False)
    issuer = Issuer(Intermediate.read(document, 1), key, 3_600.0, time.time)
    authority, server = bound(), AuthorityServer(issuer, Workload(identity_of("authority")), time.time)
    await server.start(authority)
    known = (filter_types(), authenticating_types(), answering_types())
    members = members_of({"front": ("back",), "back": ()})
    specs = load_mesh(MESH, "mesh.yaml", {}, members, *known, folder, now)
    unused, between = bound(), bound()
    listeners = {"front": {INBOUND: unused.fileno(), outbound("back"): entry}, "back": {INBOUND: between.fileno()}}
    reached = {"back": [f"127.0.0.1:{between.getsockname()[1]}"]}
    started = []
    for name, fds in listeners.items():
        enrolment = {
            "identity": identity_of(name),
            "authority": f"127.0.0.1:{authority.getsockname()[1]}",
            "bundle": document["bundle"],
            "token": bootstrap.mint(key, identity_of(name), name, now),
        }
        settings = {"listeners": fds, "service": name, "app": f"127.0.0.1:{port}", "app_secret": SECRET}
        spec = specs[name].model_dump(mode="json", by_alias=True)
        told = {**settings, "mesh": enrolment, "endpoints": reached}
        started.append(start("gateway.roles.sidecar", folder / name, spec, told))
    return started


async def main(kind: str, entry: int, folder: Path, port: int) -> None:
    """Run until ended; the children end with us."""
    stop = asyncio.Event()
    for number in (15, 2):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    children = plain(entry, folder, port) if kind == "plain" else await mesh(entry, folder, port)
    os.close(entry)
    await stop.wait()
    for child in children:
        child.kill()
        child.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))

"""What a mesh needs before any of its processes starts: sockets, an intermediate, secrets.

The problem: sidecars and services must know each other's addresses before either exists, and ports picked twice clash.
The rule: every socket of the mesh is bound here, on whatever port is free, and inherited by whoever listens on it; a
process that dies comes back to the same one. Secrets are made for this instance and handed over on pipes.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from gateway.control.supervisor import ports
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import Manifest
from gateway.mesh.lines import as_line, read_line
from gateway.spec.mesh_names import INBOUND, outbound

LOOPBACK = "127.0.0.1"
INTERMEDIATE_IN_USE = 10 * 86_400.0
"""Seconds; it is good for thirty days (gateway.mesh.authority.certificates)."""


@dataclass(frozen=True)
class Bound:
    """A listening socket that others inherit."""

    fd: int
    address: str
    """`host:port`."""


@dataclass(frozen=True)
class SidecarSite:
    """One sidecar: its sockets, and the secret of it and its service."""

    listeners: Mapping[str, Bound]
    secret: str = field(repr=False)


@dataclass(frozen=True)
class MeshSite:
    """Everything that the plans of a mesh depend on."""

    config: Path
    authority: Bound
    control: Bound
    """Where sidecars reach the control process."""
    sidecars: Mapping[str, SidecarSite]
    """By copy of a service; those of copies that are gone stay, for the next one of this name."""
    peers: Mapping[str, Sequence[str]]
    token_key: bytes = field(repr=False)
    """What one-time tokens are signed with."""
    admin_secret: str = field(repr=False)
    """For those who command the authority."""
    intermediate: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the authority signs with; see gateway.mesh.authority.root."""
    life: float = 600.0
    """Seconds for which a workload's certificate is good."""
    made: float = 0.0
    """When the intermediate was made, in seconds since the epoch."""

    def is_due(self, now: float) -> bool:
        """Whether it is time for another intermediate: long before the one in use ends, and everybody renews."""
        return now - self.made > INTERMEDIATE_IN_USE

    def descriptors(self) -> list[int]:
        """Every socket, for a successor."""
        inner = [bound.fd for one in self.sidecars.values() for bound in one.listeners.values()]
        return [self.authority.fd, self.control.fd, *inner]


def peers_of(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """The services that have a sidecar, each with those that it calls: of them, and third parties by the way out."""
    members = [entry for entry in manifest.services if entry.sidecar and entry.port]
    called = {entry.name for entry in manifest.services if entry in members or entry.outside}
    return {entry.name: tuple(peer for peer in entry.peers if peer in called) for entry in members}


def bind_mesh(config: Path, manifest: Manifest, stack: AsyncExitStack) -> MeshSite:
    """Take what is needed; the intermediate comes later (`fresh_intermediate`)."""
    peers = peers_of(manifest)

    return MeshSite(
        config=config,
        authority=_bind(stack),
        control=_bind(stack),
        sidecars={name: bind_sidecar(called, stack) for name, called in peers.items()},
        peers=peers,
        token_key=secrets.token_bytes(32),
        admin_secret=secrets.token_urlsafe(32),
    )


def bind_sidecar(called: Sequence[str], stack: AsyncExitStack) -> SidecarSite:
    """What the sidecar of a service needs that calls these."""
    listeners = {listener: _bind(stack) for listener in (INBOUND, *map(outbound, called))}
    return SidecarSite(listeners, secrets.token_urlsafe(32))


def _bind(stack: AsyncExitStack) -> Bound:
    sock = ports.bind(LOOPBACK, 0)
    address = f"{LOOPBACK}:{sock.getsockname()[1]}"
    stack.callback(os.close, sock.fileno())
    return Bound(sock.detach(), address)


async def adopt_intermediate(socket_path: Path, secret: str, intermediate: Mapping[str, str]) -> None:
    """Let the authority sign with another intermediate.

    Raises:
        OSError: it cannot be asked.
        ValueError: it refuses.
    """
    async with asyncio.timeout(10.0):
        reader, writer = await asyncio.open_unix_connection(socket_path)
        try:
            writer.write(as_line({"do": "adopt", "intermediate": dict(intermediate), "secret": secret}))
            answer = await read_line(reader)
        finally:
            writer.close()
    if not answer or "error" in answer:
        raise ValueError((answer or {}).get("error", "the authority said nothing"))


async def fresh_intermediate(command: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """What the root's own program says; it opens the root's key, and ends.

    Raises:
        CannotStart: it failed, with its own words.
    """
    child = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(environ)
    )
    out, err = await child.communicate()
    if child.returncode:
        raise CannotStart(f"the mesh's root could not be opened:\n{err.decode('utf-8', 'replace')[-2_000:]}")
    document: dict[str, str] = json.loads(out)
    return document

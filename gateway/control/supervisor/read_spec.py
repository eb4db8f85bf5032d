"""Read a configuration in a process of its own and tell only what the supervisor needs of it.

The problem: checking a configuration needs pydantic and the filters, some 20 MiB and a second of CPU time to load, and
the supervisor stays for days. The rule: a short-lived child reads it, born of the nursery that has loaded them for the
workers anyhow; the supervisor learns where to listen and what to start.

    python -m gateway.control.supervisor.read_spec --line-fd N
        asked on the line, a stream socket: {"path": …, "variables": {…}, "mesh": {"path": …, "peers": …}}
        answered: {"listeners": …} | {"error": …}
"""

from __future__ import annotations

import argparse
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ListenerPlace:
    """Where a listener is to be bound."""

    name: str
    address: str
    port: int
    tls: bool = False
    third_party: str = ""
    """Whom services call through it; a process of its own serves it."""


@dataclass(frozen=True)
class SpecSummary:
    """What the supervisor needs to know of a configuration."""

    listeners: tuple[ListenerPlace, ...]
    workers: int
    drain_timeout: float
    redis: bool = False
    """Whether a store of it is the Redis that we run."""
    certificate_life: float = 0.0
    """Of a mesh: seconds."""


def read(path: Path, variables: Mapping[str, str], mesh: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The summary as plain data, or the error's text."""
    from gateway.compile.load import load_spec
    from gateway.compile.trial import not_made
    from gateway.spec.errors import SpecErrors

    try:
        spec = load_spec(path, variables)
        life = _read_mesh(mesh, variables) if mesh else 0.0
    except (SpecErrors, OSError) as error:
        return {"error": str(error)}
    if problem := not_made(spec):  # else it would be the workers that fail, one after the other
        return {"error": problem}
    listeners = [
        {
            "name": one.name,
            "address": one.address,
            "port": one.port,
            "tls": one.tls is not None,
            "third_party": one.egress.third_party if one.egress else "",
        }
        for one in spec.listeners
    ]
    return {
        "listeners": listeners,
        "workers": spec.workers,
        "drain_timeout": spec.drain_timeout,
        "redis": any(store.service for store in spec.stores),
        "certificate_life": life,
    }


def _read_mesh(mesh: Mapping[str, Any], variables: Mapping[str, str]) -> float:
    """Check a mesh's file as control will; for how long its certificates are good."""
    from gateway.compile.load import load_certificate_life, load_mesh_file
    from gateway.control.mesh.members import members_of

    path = Path(mesh["path"])
    load_mesh_file(path, variables, members_of(mesh["peers"]))
    return load_certificate_life(path, variables)


def parse_summary(document: Mapping[str, Any]) -> SpecSummary:
    """The summary from its plain form."""
    listeners = tuple(ListenerPlace(**listener) for listener in document["listeners"])
    told = ("workers", "drain_timeout", "redis", "certificate_life")
    return SpecSummary(listeners, *(document[name] for name in told))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="gateway.control.supervisor.read_spec")
    parser.add_argument("--line-fd", type=int, required=True)
    with socket.socket(fileno=parser.parse_args().line_fd) as line, line.makefile("rwb") as asked:
        question = json.load(asked)
        asked.write(json.dumps(read(Path(question["path"]), question["variables"], question["mesh"])).encode())

"""A configuration with a number, as it is sent to workers and written to `last-good.json`.

The rule: the file that the gateway's workers start from when the control process is away is byte for byte the message
that they would have received; it is replaced atomically, so that a reader sees the old one or the new one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from gateway.control.egress_part import EGRESS, part_of
from gateway.spec.models import Spec
from gateway.spec.restore import sent

Endpoints = dict[str, list[str]]


@dataclass(frozen=True)
class Revision:
    """One numbered configuration: the spec as JSON, and the addresses of services."""

    version: int
    spec: dict[str, Any]
    endpoints: Endpoints

    @classmethod
    def of(
        cls,
        version: int,
        spec: Spec,
        endpoints: Endpoints,
        shape: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document,
    ) -> Revision:
        """Number a loaded spec, as `shape` makes it."""
        return cls(version, shape(sent(spec)), endpoints)

    def message(self, role: str = "edge") -> dict[str, Any]:
        """What a worker receives; the egress gateway nothing that is not its own."""
        spec, endpoints = self.spec, self.endpoints
        if role == EGRESS:
            spec = part_of(spec)
            called = {one.get("service") for one in spec["clusters"]}
            endpoints = {name: addresses for name, addresses in endpoints.items() if name in called}
        return {"type": "snapshot", "version": self.version, "spec": spec, "endpoints": endpoints}

    def same_as(self, other: Revision | None) -> bool:
        """Whether both say the same under whatever number."""
        return other is not None and (self.spec, self.endpoints) == (other.spec, other.endpoints)

    def sockets(self) -> set[tuple[str, str, int]]:
        """The listeners' names, addresses and ports: what the supervisor has bound."""
        return {(one["name"], one["address"], one["port"]) for one in self.spec["listeners"]}


def write_last_good(path: Path, revision: Revision) -> None:
    """Replace the file."""
    write_private(path, orjson.dumps(revision.message()))


def write_private(path: Path, content: bytes) -> None:
    """Replace a file; readable by its owner only, on disk before it gets its name."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_last_good(path: Path) -> Revision | None:
    """The last configuration that every worker accepted; None when there is none yet.

    Raises:
        ValueError: the file is not what we write.
    """
    try:
        message = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    try:
        return Revision(int(message["version"]), dict(message["spec"]), dict(message["endpoints"]))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path.name} is not a saved configuration: {error!r}") from None

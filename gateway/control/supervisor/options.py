"""What the supervisor is told at its start: one JSON object on an inherited pipe."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """One instance to run. Paths are absolute; `None` means "the default" unless said otherwise."""

    state_dir: str
    config: str | None = None
    manifest: str | None = None
    """The services to run; None runs the gateway alone."""
    port_base: int | None = None
    """Number the ports from here; 0 finds a free block; None takes the documented default ports."""
    redis: bool = True
    prometheus: bool = False
    """Run a Prometheus of its own, where this machine has one."""
    architecture: str = "gateway"
    """By name; see architecture.py."""
    mesh: str | None = None
    """The mesh's file; None: there is none."""
    via: Mapping[str, str] = field(default_factory=dict)
    """By service: the `host:port` at which others reach it in place of its own, because something stands in between."""
    service_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Options of services, by service: see Manifest."""
    started: float | None = None
    """When the person asked (seconds since the epoch), so that "ready in" counts all they waited for."""
    events_fd: int | None = None
    """Progress is written here as JSON lines."""
    foreground_fd: int | None = None
    """Reaches EOF when the command in the terminal is gone: stop in order. None: detached."""
    control_module: str = "gateway.control.main"
    worker_module: str = "gateway.roles.edge"

    def absolute(self) -> Options:
        """The same with absolute paths: the supervisor works in another directory."""
        return replace(
            self,
            state_dir=str(Path(self.state_dir).absolute()),
            config=self.config and str(Path(self.config).absolute()),
            manifest=self.manifest and str(Path(self.manifest).absolute()),
            mesh=self.mesh and str(Path(self.mesh).absolute()),
        )

    def dump(self) -> bytes:
        """The JSON form, for the pipe."""
        return json.dumps(asdict(self)).encode()


def load_options(fd: int) -> Options:
    """Read options from `fd` to its end and close it.

    Raises:
        ValueError: not JSON, or an unknown key.
    """
    with os.fdopen(fd, "rb") as pipe:
        return parse_options(json.load(pipe))


def parse_options(document: Mapping[str, Any]) -> Options:
    """Options from a parsed document.

    Raises:
        ValueError: an unknown key, or no state directory.
    """
    unknown = [key for key in document if key not in {one.name for one in fields(Options)}]
    if unknown or "state_dir" not in document:
        raise ValueError(f"unknown options {sorted(unknown)}" if unknown else "no state_dir given")
    return Options(**document)


def default_mesh() -> Path:
    """The shop's mesh."""
    return ready_config("mesh.yaml")


def ready_config(name: str) -> Path:
    """A file of `config/`: package data in an installed wheel, the top-level folder in a checkout."""
    package = Path(__file__).resolve().parents[2]
    packaged = package / "data" / "config" / name
    return packaged if packaged.exists() else package.parent / "config" / name


def default_manifest() -> Path:
    """The shop's services. They are data to the gateway: found by path, never imported."""
    return Path(__file__).resolve().parents[3] / "sample_services" / "manifest.yaml"

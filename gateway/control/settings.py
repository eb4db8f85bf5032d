"""What the control process is told when it starts.

The problem: arguments and environment variables can be read by every process of the same user (`ps`, /proc).
The rule: settings with secrets arrive as JSON on an inherited pipe, which is read to its end and closed.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gateway.control.placement import Placement

MAX_SETTINGS = 4 * 1024 * 1024


class Place(BaseModel):
    """A host and port to bind; port 0 takes any free one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)


class Service(BaseModel):
    """One service of the shop: what it is called, where it answers, what it is for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    url: str | None = None
    about: str = ""
    public: bool = False
    outside: bool = False
    """A third party's."""


class EnrolmentSettings(BaseModel):
    """How this process comes to its identity in the mesh (gateway.mesh.enrolment.MeshSettings)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: str
    authority: str
    bundle: str
    token: str = Field(repr=False)


class MeshSettings(BaseModel):
    """What the control process needs for sidecars."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Path
    """The mesh's file."""
    listen_fd: int
    """An inherited socket, bound already, where sidecars connect."""
    peers: dict[str, list[str]]
    """The services of the mesh, and whom each calls: others of them, and third parties."""
    ways_out: dict[str, str] = Field(default_factory=dict)
    """Third party → `host:port` at which the egress gateway takes what is for it."""
    enrolment: EnrolmentSettings


class ControlSettings(BaseModel):
    """Everything the control process needs; paths are absolute."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    state_dir: Path
    config: Path
    variables: dict[str, str] = Field(default_factory=dict)
    endpoints: dict[str, list[str]] = Field(default_factory=dict)
    """Service name → addresses (`host:port`), sent to the workers with every configuration."""
    placement: Placement = Placement()
    """The copies of each service."""
    services: tuple[Service, ...] = ()
    admin: Place = Place(port=9901)
    collector: Place = Place(port=4318)
    admin_secret: SecretStr = Field(min_length=16)
    otlp_secret: SecretStr = Field(min_length=16)
    control_socket: Path
    control_secret: SecretStr = Field(min_length=16)
    """What workers say on it."""
    supervisor_socket: Path
    architecture: str = "gateway"
    """By name: gateway.control.supervisor.architecture."""
    gateway: bool = True
    """Whether there are workers to wait for."""
    mesh: MeshSettings | None = None
    prometheus: str | None = None
    """Where alerts are evaluated; None: nowhere."""
    lifeline_fd: int | None = None


def read_settings(fd: int) -> ControlSettings:
    """Read the settings from an inherited descriptor and close it.

    Raises:
        ValueError: not JSON, or not settings (pydantic.ValidationError is a ValueError).
    """
    with os.fdopen(fd, "rb") as pipe:
        return ControlSettings.model_validate_json(pipe.read(MAX_SETTINGS))

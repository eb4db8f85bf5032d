"""What a service process is told when it starts.

The problem: secrets in argv or in the environment can be read by every process of the same user (`ps e`,
/proc/<pid>/environ). The rule: settings are one JSON document on an inherited pipe, read to its end and closed,
or a file for a start by hand; nothing secret shows in a repr, so nothing secret gets into a log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

USAGE = "usage: python -m sample_services.<name> --settings-fd N | --settings FILE"


class SettingsError(Exception):
    """The settings cannot be read or are not valid; the message never repeats their content."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class RedisSettings(_Part):
    """Where Redis is and who this service is to it."""

    url: str
    username: str
    password: str = Field(repr=False)


class OtlpSettings(_Part):
    """Where spans go: the base address of an OTLP/HTTP receiver, without /v1/traces."""

    endpoint: str
    headers: Mapping[str, str] = Field(default_factory=dict, repr=False)


class Secrets(_Part):
    """The part of the installation's secrets that this service may know."""

    users: Mapping[str, str] = Field(default_factory=dict, repr=False)
    clients: Mapping[str, str] = Field(default_factory=dict, repr=False)
    client_secret: str | None = Field(None, repr=False)
    shared: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """Secrets that two services share, by name."""
    webhooks: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """What webhooks are signed with, `whsec_…` (Standard Webhooks), by who sends them."""
    api_keys: Mapping[str, str] = Field(default_factory=dict, repr=False)
    """What a partner's program shows to the gateway, by partner."""
    sidecar: str | None = Field(None, repr=False)
    """In a mesh: what this service and its own sidecar say to each other, both ways."""


class Planted(BaseModel):
    """What is wrong with this version on purpose (see `planted`); by default nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    errors: float = Field(0.0, ge=0, le=1)
    """The share of requests that are answered with 500."""
    delay: float = Field(0.0, ge=0, le=60)
    """Seconds that each request waits."""
    leak: int = Field(0, ge=0, le=4_096)
    """KiB that each request leaves behind, up to a bound (see `planted.MOST_LEAKED`)."""
    unready: bool = False
    weaknesses: tuple[str, ...] = ()
    """What this version does wrong, by the names that the lab has for it."""


class Settings(_Part):
    """Everything a service process is told. `port` 0 takes any free one."""

    service: str
    instance: str
    version: str = ""
    """Under which name this code or these settings were deployed."""
    host: str = "127.0.0.1"
    port: int = Field(0, ge=0, le=65_535)
    data_dir: Path
    peers: Mapping[str, str] = Field(default_factory=dict)
    peers_file: Path | None = None
    """Where the addresses of their copies stand, as they are now (see `peers`)."""
    meshed: tuple[str, ...] = ()
    """In a mesh: the peers that are reached through the own sidecar. Nobody else is told its secret."""
    third_parties: Mapping[str, str] = Field(default_factory=dict)
    """Where people find those of the peers that are other companies; calls go to `peers`."""
    public_url: str = "http://127.0.0.1:8088"
    issuer: str = "https://identity.shop.example"
    audience: str = "shop"
    gateway_issuer: str | None = None
    """Whose short tokens are believed as well, where the peer `gateway` publishes its keys; their audience is us."""
    redis: RedisSettings | None = None
    otlp: OtlpSettings | None = None
    weaknesses: tuple[str, ...] = ()
    """Planted for a lesson: protections that this process leaves out. Empty, unless the lab is at work."""
    lifeline_fd: int | None = None
    secrets: Secrets = Secrets()
    planted: Planted = Planted()
    options: Mapping[str, str] = Field(default_factory=dict)
    """What this service alone can be told; the manifest names them, `gatehouse up --set` changes them."""

    def option(self, name: str, known: Collection[str], default: str) -> str:
        """One of the service's own options.

        Raises:
            ValueError: it is none of the known values.
        """
        value = self.options.get(name, default)
        if value not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
        return value


def read_settings(arguments: Sequence[str]) -> Settings:
    """The settings that the command line points to.

    Raises:
        SettingsError: wrong usage, an unreadable source, or a document that is not valid.
    """
    try:
        return Settings.model_validate_json(_read_source(arguments))
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, item["loc"])) or item["msg"] for item in error.errors())
        raise SettingsError(f"the settings are not valid: {fields}") from None
    except OSError as error:
        raise SettingsError(f"the settings cannot be read: {error.strerror}") from None


def read_settings_or_exit(arguments: Sequence[str]) -> Settings:
    """As `read_settings`; on an error it writes one line to stderr and leaves with exit code 2."""
    try:
        return read_settings(arguments)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from None


def _read_source(arguments: Sequence[str]) -> bytes:
    match list(arguments):
        case ["--settings-fd", number] if number.isdecimal():
            with os.fdopen(int(number), "rb") as pipe:
                return pipe.read()
        case ["--settings", path]:
            return Path(path).read_bytes()
    raise SettingsError(USAGE)

"""Memory that outlives a request: a Redis that several share, and what each worker keeps of answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.base import Model
from gateway.spec.fields import Duration, File, Integer, Name, Secret


class StoreTls(Model):
    """TLS towards a Redis. Its certificate is always verified, for the host of its address."""

    ca: File | None = None
    """Whom to believe instead of the authorities that the system trusts."""


class Store(Model):
    """A Redis that workers and gateways share; without `tls` only on a network that you trust."""

    name: Name
    service: Literal["redis"] | None = None
    """The Redis that the supervisor runs: it tells the workers where it is and who they are to it."""
    address: str | None = None
    user: str = ""
    password: Secret | None = Field(None, repr=False)
    password_file: File | None = None
    tls: StoreTls | None = None
    timeout: Annotated[Duration, Field(gt=0, le=10.0)] = 0.05
    """For one question, the wait for the one before it included."""
    cooldown: Annotated[Duration, Field(le=60.0)] = 1.0
    """After a failure nothing is asked for so long: a Redis that is away must not delay every request."""


class CacheZone(Model):
    """Memory in which each worker keeps answers (nginx: the zone of proxy_cache_path)."""

    name: Name
    max_bytes: Integer = Field(16_777_216, ge=65_536, le=1_073_741_824)
    max_entries: Integer = Field(10_000, gt=0, le=1_000_000)
    max_object_bytes: Integer = Field(1_048_576, ge=1_024)
    """A larger answer passes and is not kept; at most a quarter of `max_bytes`."""

"""Canaries: another version for a share of the requests, until it does worse."""

from __future__ import annotations

import hashlib
from typing import Annotated

from pydantic import Field, Strict

from gateway.spec.base import Model
from gateway.spec.fields import Duration, HeaderName, HeaderValue, Integer, Name, Percent


class CanaryHeader(Model):
    """Who carries `name: value` gets the canary, who carries another value of it does not; neither is drawn."""

    name: HeaderName
    value: HeaderValue = "always"


class CanaryLatency(Model):
    """Too slow is a quantile longer than `max` and more than `ratio` times that of the stable side."""

    quantile: Annotated[float, Strict(), Field(gt=0, lt=1)] = 0.95
    max: Annotated[Duration, Field(gt=0)]
    ratio: Annotated[float, Strict(), Field(ge=1)] = 1.5


class CanaryRollback(Model):
    """What the requests of one `window` must show for the canary to be taken out of use."""

    error_ratio: Percent = 0.05
    """By how much the canary's share of failing requests may exceed the stable side's; 1.0 never does."""
    latency: CanaryLatency | None = None
    min_requests: Integer = Field(50, ge=1)
    window: Annotated[Duration, Field(ge=1, le=600)] = 30.0


class Canary(Model):
    """A share of a route's requests for another version, which is taken back when it does worse."""

    cluster: Name
    weight: Integer = Field(0, ge=0, le=100)
    """Percent of the requests."""
    header: CanaryHeader | None = None
    rollback: CanaryRollback = CanaryRollback()

    @property
    def digest(self) -> str:
        """Of all it says: what was decided about a canary holds for as long as the file says the same of it."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:16]

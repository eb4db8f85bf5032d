"""Desired state of a cluster's endpoints: their weights, who is chosen for what, and when one is left out.

The problem: every proxy has these settings under other names and with other defaults. The rule: names and numbers are
Envoy's (outlier_detection, health_checks, lb_policy), those of sessions the Gateway API's (GEP-1619); all of it is off
until somebody asks for it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from gateway.spec.base import Model
from gateway.spec.fields import AbsolutePath, Duration, Integer, ServerName, spelled

MAX_WEIGHT = 128
CookieName = Annotated[str, spelled(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}", "a cookie's name (RFC 6265 section 4.1.1)")]


class ClusterEndpoint(Model):
    """An address, and its share of the requests in comparison with the others'."""

    address: str
    weight: Integer = Field(1, ge=1, le=MAX_WEIGHT)


def _with_weight(value: Any) -> Any:
    """`host:port` alone is an endpoint of weight 1.

    Raises:
        ValueError: neither that nor a mapping.
    """
    if isinstance(value, str):
        return {"address": value}
    if not isinstance(value, dict | ClusterEndpoint):
        raise ValueError('expected "host:port", or {address: "host:port", weight: 2}')
    return value


ListedEndpoint = Annotated[ClusterEndpoint, BeforeValidator(_with_weight)]
"""A file may write the address alone."""


class HashOn(Model):
    """What of a request decides its endpoint; claims are read from the verified token only."""

    type: Literal["Header", "Cookie", "Address", "Claim"]
    name: str | None = Field(None, min_length=1, max_length=256)


class SuccessRate(Model):
    """An endpoint that fails clearly more often than the others is an outlier, too."""

    endpoints: Integer = Field(5, ge=2)
    """So many must have had enough requests, else there is nothing to compare (success_rate_minimum_hosts)."""
    requests: Integer = Field(100, ge=1)
    """Enough is so many in one interval (success_rate_request_volume)."""
    deviations: float = Field(1.9, gt=0, le=10)
    """So many standard deviations below the mean (success_rate_stdev_factor / 1000)."""


class OutlierDetection(Model):
    """Whom requests show to be bad gets none for a while (Envoy: outlier_detection)."""

    consecutive_5xx: Integer = Field(5, ge=0, alias="consecutive5xx")
    """Failures in a row: answers of 5xx, resets, time-outs, failed connections; 0 does not look at them."""
    success_rate: SuccessRate | None = SuccessRate()
    interval: Annotated[Duration, Field(gt=0)] = 10.0
    base_ejection_time: Annotated[Duration, Field(gt=0)] = 30.0
    """Times the number of ejections."""
    max_ejection_time: Annotated[Duration, Field(gt=0)] = 300.0
    max_ejection_percent: Integer = Field(10, ge=1, le=100)
    """Of all endpoints at one time, rounded down, but at least one."""


class HealthCheck(Model):
    """A request that each worker sends to each endpoint, to hear whether it is well (Envoy: health_checks)."""

    path: AbsolutePath
    host: ServerName | None = None
    """The Host header; None: the endpoint's address."""
    interval: Annotated[Duration, Field(ge=0.01)] = 10.0
    timeout: Annotated[Duration, Field(gt=0)] = 1.0
    healthy_threshold: Integer = Field(2, ge=1)
    unhealthy_threshold: Integer = Field(3, ge=1)
    expected_statuses: tuple[Annotated[Integer, Field(ge=200, le=599)], ...] = Field((200,), min_length=1)


class SessionCookie(Model):
    """How long the client keeps the cookie (GEP-1619 cookieConfig)."""

    lifetime_type: Literal["Session", "Permanent"] = "Session"


class SessionPersistence(Model):
    """A client's requests go to the endpoint that answered its first one (GEP-1619), by a cookie."""

    session_name: CookieName | None = None
    """The cookie's name; None: `gatehouse-` and the route's."""
    type: Literal["Cookie"] = "Cookie"
    absolute_timeout: Annotated[Duration, Field(ge=1.0)] | None = None
    cookie_config: SessionCookie = SessionCookie()


__all__ = [
    "ClusterEndpoint",
    "HashOn",
    "HealthCheck",
    "ListedEndpoint",
    "OutlierDetection",
    "SessionCookie",
    "SessionPersistence",
    "SuccessRate",
]

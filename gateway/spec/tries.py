"""Desired state of tries: when a request is sent again, how often at most, and failures that are planted on purpose.

The problem: every proxy repeats requests by other rules, and a rule that is too eager doubles an overload. The rule:
nothing is repeated until somebody asks for it; keys are those of the Gateway API's `retry` (GEP-1731) where it has
them, classes and numbers are Envoy's.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, Strict

from gateway.spec.base import Model
from gateway.spec.fields import Duration, Flag, HeaderName, Integer, Token

IDEMPOTENT: Final = ("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE")
"""RFC 9110 section 9.2.2: sending them twice does no more than sending them once."""

RetryClass = Literal["connect-failure", "reset", "timeout", "gateway-error", "5xx"]
Share = Annotated[float, Strict(), Field(ge=0, le=100)]
"""Of a hundred."""


class Retry(Model):
    """When and how often a request is sent again."""

    attempts: Integer = Field(1, ge=1, le=10)
    """Tries after the first one."""
    on: tuple[RetryClass, ...] = ("connect-failure", "reset", "timeout")
    codes: tuple[Annotated[Integer, Field(ge=400, le=599)], ...] = ()
    """Statuses of answers that are not passed on but tried again (Envoy: retriable-status-codes)."""
    backoff: Annotated[Duration, Field(gt=0, le=10.0)] = 0.025
    methods: tuple[Token, ...] = IDEMPOTENT
    idempotency_keys: Flag = False
    """Also other methods, when the request carries an `Idempotency-Key`; for services that know these keys."""
    max_body_bytes: Integer = Field(65_536, ge=0, le=1_048_576)
    """So much of a streaming body is kept for another try; with more the request is sent once."""


class RetryBudget(Model):
    """How many retries of a cluster may be under way at one time, in each worker."""

    percent: Share = 20.0
    """Of the requests under way that are no retries."""
    minimum: Integer = Field(3, ge=0, le=1_024)
    """So many in any case: else a quiet cluster would have none."""


class DelayFault(Model):
    """A share of tries that begin late."""

    percent: Share
    duration: Annotated[Duration, Field(gt=0)]


class AbortFault(Model):
    """A share of tries that fail instead of going out: with a status, or by a broken connection."""

    percent: Share
    status: Integer | None = Field(None, ge=400, le=599)
    reset: Flag = False


class Faults(Model):
    """Failures that are planted on purpose, drawn for each try."""

    delay: DelayFault | None = None
    abort: AbortFault | None = None
    header: HeaderName | None = None
    """Only tries of requests that carry this header; from listeners with `trustedHops`, unless `fromAnybody`."""
    from_anybody: Flag = False

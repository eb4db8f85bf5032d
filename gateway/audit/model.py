"""What an audit looks at, and what a check is.

The problem: a list of warnings without order, reason or remedy is soon ignored. The rule: each check is one small
file with an id, a severity, a sentence why it matters, a sentence how to mend it, and the item of OWASP's API
Security Top 10 (2023) that it belongs to; it yields places, and knows neither lines nor printing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from gateway.audit.openapi import Operation
from gateway.spec.models import Spec

Severity = Literal["high", "medium", "low", "info"]
SEVERITIES: Final[tuple[Severity, ...]] = ("high", "medium", "low", "info")
"""Gravest first."""

Path = tuple[str | int, ...]
"""Where something stands in the document, as `gateway.spec.checks` has it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that the gateway passed on, or refused; paths are the client's."""

    route: str
    method: str
    path: str
    status: int
    cluster: str
    """Whose service answered; empty when the gateway answered by itself."""


@dataclass(frozen=True, slots=True)
class Running:
    """What is known of a running system; all of it bounded by whoever read it."""

    seen: tuple[Seen, ...] = ()
    """The latest requests."""
    token_seconds: tuple[float, ...] = ()
    """For how long the latest verified tokens had been issued."""
    endpoints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses by cluster."""
    documents: Mapping[str, tuple[Operation, ...]] = field(default_factory=dict)
    """What the services say of themselves (OpenAPI), by cluster."""
    refused_reload: str = ""
    """Why the configuration file was refused at the latest reload; empty when it was not."""
    isolation: Mapping[str, str] = field(default_factory=dict)
    """What processes that are meant to be confined say of it, by name."""


@dataclass(frozen=True, slots=True)
class System:
    """A configuration, and the system that runs it if one does."""

    spec: Spec
    authenticating: Collection[str]
    """Types of filters that let only authenticated requests pass."""
    answering: Collection[str] = frozenset()
    """Types of filters that answer every request by themselves."""
    running: Running | None = None


class Found(NamedTuple):
    """A place that a check objects to."""

    path: Path
    subject: str
    """`route orders-write`, `listener public`."""
    detail: str
    severity: Severity | None = None
    """When it differs from the check's own."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look for."""

    id: str
    severity: Severity
    title: str
    why: str
    fix: str
    find: Callable[[System], Iterator[Found]]
    owasp: str = ""
    """Like `API4:2023`; empty where no item fits."""
    needs_running: bool = False
    """Whether a configuration alone says nothing about it."""
    comes_and_goes: bool = False
    """Whether it is seen in traffic only, so that its absence proves nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, with its line; `accepted` is the reason that the configuration gives, if it does."""

    check: str
    severity: Severity
    subject: str
    detail: str
    where: str
    accepted: str = ""

"""What a filter is.

The problem: a filter must be cheap on each request, must be able to say why it decided as it did, and must be
askable without consequences. The rule: deciding is apart from spending.

- `decide` looks at a request and returns None (go on), a Reply (stop), or an awaitable of one of these; only an
  awaitable makes the exchange wait. It may change the request that it was given, and nothing that outlives it.
- `commit` runs after a request passed `decide`: it spends tokens, counts, remembers.
- `on_response` sees the head of the upstream's answer, in reverse order of the filters.
- `explain` says in words what `decide` saw, secrets masked (`gateway.observability.masking`), and changes nothing.
  It is called for requests that are only asked about (after `decide`, with nothing spent) and for some that are over.

So `gatehouse explain` runs the very code that traffic runs, and no quota is burnt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.models import FilterSpec

if TYPE_CHECKING:
    from gateway.filters.provider import Provider
    from gateway.upstream.cluster import Cluster

Verdict = Reply | None
Decision = Verdict | Awaitable[Verdict]
S = TypeVar("S", bound=FilterSpec)


@dataclass(frozen=True, slots=True)
class Build:
    """What a filter may use; clocks are parameters so that tests need not wait."""

    providers: Mapping[str, Provider]
    metrics: Metrics
    clock: Callable[[], float]
    """Monotonic seconds."""
    wall: Callable[[], float]
    """Seconds since 1970."""
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    """For filters that ask somebody."""


class Filter(Generic[S]):
    """The base of every filter; a filter of your own derives from it and is named in an entry point."""

    Spec: ClassVar[type[FilterSpec]]
    """The model of this filter's configuration."""
    authenticates: ClassVar[bool] = False
    """Whether a request that passed is known to come from somebody."""
    answers: ClassVar[bool] = False
    """Whether it always replies by itself, so that its route needs no cluster."""

    preflights: ClassVar[bool] = False
    """Whether it answers every CORS preflight, so that a route for another method may be given one."""

    def __init__(self, spec: S, build: Build) -> None:
        self.spec = spec
        self.where = spec.where

    @property
    def name(self) -> str:
        """The name in configuration, metrics and explanations."""
        return self.spec.type

    def decide(self, request: Request) -> Decision:
        """Pass (None), stop (a Reply), or wait (an awaitable of either)."""
        raise NotImplementedError(f"{type(self).__name__} decides nothing")

    def commit(self, request: Request) -> None:
        """Spend what a passed request costs."""

    def on_response(self, request: Request, response: Response) -> None:
        """Change the head of the upstream's answer."""

    def explain(self, request: Request, reply: Verdict) -> str:
        """What `decide` saw, in a few words; `reply` is what it answered, None when it let the request pass."""
        return reply.detail if reply is not None else ""

    def kept_with(self, build: Build) -> bool:
        """Whether this instance may serve on after a reload that left its own configuration unchanged."""
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.where}>"

"""What a filter is.

The problem: a filter must be cheap on each request, must be able to say why it decided as it did, and must be
askable without consequences. The rule: deciding is apart from spending.

- `decide` looks at a request and returns None (go on), a Reply (stop), or an awaitable of one of these; only an
  awaitable makes the exchange wait. It may change the request that it was given, and nothing that outlives it.
- `commit` runs after a request passed `decide`: it spends tokens, counts, remembers.
- `on_end` hears that the exchange is over, whatever ended it and whether this filter was reached or not.
- `on_response` sees the head of the upstream's answer, in reverse order of the filters; `on_answer` and `stream` see
  its body (gateway.filters.answers). `on_failure` hears that there will be none.
- `preview` is `decide` without consequences. It is `decide` itself, except where deciding and spending must be one
  step, as in a store that others share.
- `explain` says in words what `preview` or `decide` saw, secrets masked (`gateway.observability.masking`), and changes
  nothing. It is called for requests that are only asked about (after `preview`) and for some that are over.

Bodies stream past the filters. One that must see the body says how much of it at most (`body_limit`); the exchange
then reads that much before it asks this filter, and not before the filters in front of it have let the head pass.

So `gatehouse explain` runs the very code that traffic runs, and no quota is burnt.

A filter in a package of your own needs this module and `gateway.spec.fields` (types of keys): docs/your-own-filter.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from gateway.filters.onward_tokens import Onward
from gateway.filters.signing import SigningKeys
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.models import FilterSpec, Model

if TYPE_CHECKING:
    from gateway.filters.answers import Stream
    from gateway.filters.cache_store import Zone
    from gateway.filters.provider import Provider
    from gateway.upstream.cluster import Cluster
    from gateway.upstream.store import Store

__all__ = [
    "Build",
    "Decision",
    "Filter",
    "FilterSpec",
    "Metrics",
    "Model",
    "Reply",
    "Request",
    "Response",
    "Verdict",
]

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
    stores: Mapping[str, Store] = field(default_factory=dict)
    route: str = ""
    """Whose filter it is; "" for one that runs on every route."""
    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    """For filters that ask somebody."""
    authenticated: bool = False
    """Whether a filter of this chain knows who asks."""
    caches: Mapping[str, Zone] = field(default_factory=dict)
    app_secret: str = field(default="", repr=False)
    """In a sidecar: what it and its service know."""
    random: Random = field(default_factory=Random)
    signing: SigningKeys = field(default_factory=SigningKeys.of_our_own)
    """The instance's own keys."""
    in_mesh: bool = False
    """Whether each service has a sidecar beside it."""
    onward: Onward = field(default_factory=Onward)
    """In a sidecar: what its service's calls say in place of its own token."""


class Filter(Generic[S]):
    """The base of every filter; a filter of your own derives from it and is named in an entry point."""

    Spec: ClassVar[type[FilterSpec]]
    """The model of this filter's configuration."""
    authenticates: ClassVar[bool] = False
    """Whether a request that passed is known to come from somebody."""
    answers: ClassVar[bool] = False
    """Whether it always replies by itself, so that its route needs no cluster."""
    body_limit: int = 0
    """Bytes of the largest body that `decide` takes, whole, as `request.body`; 0: the head is enough for it."""

    answer_limit: int = 0
    """Bytes of the largest answer that `on_answer` takes whole; 0: the head is enough for it."""

    asks_plain: ClassVar[bool] = False
    """Whether endpoints are asked for answers without compression, as they are for one with an `answer_limit`."""
    keeps_answers: ClassVar[bool] = False
    """Whether it gives answers again: filters behind it have made of them what they are, and are not asked then."""

    joins: object = None
    """Neighbours in a chain with the same value here become one step, which the first of them makes by `join`."""

    lab_only: ClassVar[bool] = False
    """Whether it is weak on purpose: only what the lab has put in place of a file may name it."""

    preflights: ClassVar[bool] = False
    """Whether it answers every CORS preflight, so that a route for another method may be given one."""

    def __init__(self, spec: S, build: Build) -> None:
        self.spec = spec
        self.where = spec.where

    @classmethod
    def make(cls, spec: S, build: Build) -> Filter[Any]:
        """The filter for this configuration; a class that has several ways of work chooses here."""
        return cls(spec, build)

    @property
    def name(self) -> str:
        """The name in configuration, metrics and explanations."""
        return self.spec.type

    def decide(self, request: Request) -> Decision:
        """Pass (None), stop (a Reply), or wait (an awaitable of either)."""
        raise NotImplementedError(f"{type(self).__name__} decides nothing")

    def preview(self, request: Request) -> Decision:
        """What `decide` would say, and nothing spent."""
        return self.decide(request)

    def join(self, following: Sequence[Filter[Any]]) -> Filter[Any]:
        """One filter that does the work of this one and of those that follow, in one step."""
        raise NotImplementedError(f"{type(self).__name__} joins nothing")

    def commit(self, request: Request) -> None:
        """Spend what a passed request costs."""

    def on_response(self, request: Request, response: Response) -> Reply | None:
        """Change the head of the upstream's answer; or give back content that the client gets in its place."""
        return None

    def on_failure(self, request: Request, reply: Reply) -> Reply | None:
        """The upstream gave no answer, and `reply` says so: content that the client gets instead, if there is any."""
        return None

    def wants_answer(self, request: Request, response: Response) -> bool:
        """Whether `on_answer` must see this one; where not, its body streams past."""
        return True

    def on_answer(self, request: Request, response: Response, body: bytes) -> bytes | Reply:
        """Look at the whole answer: the body to send instead, or what the client gets in its place."""
        raise NotImplementedError(f"{type(self).__name__} looks at no bodies of answers")

    def stream(self, request: Request, response: Response) -> Stream | None:
        """What the body of this answer passes through, if it must; the head may still be changed."""
        return None

    def on_end(self, request: Request) -> None:
        """The exchange is over: release what `commit` took for this request, if it did."""

    def explain(self, request: Request, reply: Verdict) -> str:
        """What `decide` saw, in a few words; `reply` is what it answered, None when it let the request pass."""
        return reply.detail if reply is not None else ""

    def view(self) -> dict[str, Any] | None:
        """The live state for the admin API (see `gateway.filters.limit_view`), if there is any to look at."""
        return None

    def kept_with(self, build: Build) -> bool:
        """Whether this instance may serve on after a reload that left its own configuration unchanged."""
        return True

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.where}>"

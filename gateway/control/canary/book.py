"""What is decided about each canary, and on what grounds.

    state          gets                               leaves it by
    running        its weight, and who asks for it    roll-back, promotion
    rolled_back    nothing, whoever asks              resume, a weight, promotion
    promoted       everything, judged no more         resume, a weight, roll-back

The problem: a decision must be made once, hold for all workers, and not be undone by the next good second. The rule: a
roll-back is final until a person says otherwise, or the block in the file says something else (its digest): then it is
another canary, which begins as the file says. Every change begins a new window: what was seen under another weight
does not count.

Pure but for its clocks; who is told, and where it is written down, is the keeper's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from gateway.control.canary.judge import judge
from gateway.control.canary.window import Window
from gateway.observability.outcomes import Outcomes
from gateway.spec.models import Canary

State = Literal["running", "rolled_back", "promoted"]
Clock = Callable[[], float]
_OF_ROUTE = "#"
"""Between a worker and the route that it counted for."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for a canary, until the next one."""

    of: str
    """The digest of the block that it was made for."""
    weight: int
    state: State = "running"
    since: float = 0.0
    """Seconds since 1970."""
    why: str = ""
    before: int = 0
    """The weight to which a roll-back or promotion can be taken back."""

    @property
    def open(self) -> bool:
        """Whether requests may choose the canary by its header."""
        return self.state != "rolled_back"


class Watched:
    """One canary."""

    def __init__(self, route: str, spec: Canary, decision: Decision, clock: Clock, wall: Clock) -> None:
        self.route, self.spec, self.decision = route, spec, decision
        self._clock, self._wall = clock, wall
        self._window = Window(spec.rollback.window, clock())
        self._before: dict[str, tuple[Outcomes, Outcomes]] = {}

    def report(self, source: str, canary: Outcomes, stable: Outcomes) -> str | None:
        """A worker's newest counts; the cause when they make the canary roll back."""
        now, before = self._clock(), self._before.get(source)
        self._before[source] = canary, stable
        if before is not None:  # else its counts are of before: we, or it, have just come
            self._window.add(now, _grown(canary, before[0]), _grown(stable, before[1]))
        if self.decision.state != "running" or not self.decision.weight:
            return None
        blame = judge(self.spec.rollback, self._window.canary, self._window.stable, self._window.whole(now))
        if blame is None:
            return None
        self.roll_back(blame.why)
        return blame.cause

    def forget(self, source: str) -> None:
        """A worker has gone."""
        self._before = {of: counts for of, counts in self._before.items() if of.partition(_OF_ROUTE)[0] != source}

    def roll_back(self, why: str) -> None:
        """Nothing for the canary any more."""
        self._decide(0, "rolled_back", why, self._to_come_back_to())

    def promote(self, why: str) -> None:
        """Everything for the canary, whatever it does."""
        self._decide(100, "promoted", why, self._to_come_back_to())

    def resume(self, why: str) -> None:
        """As it was before the roll-back or the promotion."""
        self._decide(self._to_come_back_to(), "running", why)

    def set_weight(self, weight: int, why: str) -> None:
        """Another share, judged from now on."""
        self._decide(weight, "running", why)

    def _to_come_back_to(self) -> int:
        return self.decision.weight if self.decision.state == "running" else self.decision.before

    def _decide(self, weight: int, state: State, why: str, before: int = 0) -> None:
        self.decision = Decision(self.spec.digest, weight, state, self._wall(), why, before)
        self._window.restart(self._clock())

    def view(self) -> dict[str, Any]:
        """For the admin API; both sides' numbers are those of the window."""
        self._window.expire(self._clock())
        rules, decision = self.spec.rollback, self.decision
        quantile = rules.latency.quantile if rules.latency else 0.95
        return {
            "route": self.route,
            "cluster": self.spec.cluster,
            "weight": decision.weight,
            "configured_weight": self.spec.weight,
            "state": decision.state,
            "since": decision.since,
            "why": decision.why,
            "quantile": quantile,
            "window_seconds": rules.window,
            "canary": _side(self._window.canary, quantile),
            "stable": _side(self._window.stable, quantile),
            "rollback": rules.model_dump(mode="json", by_alias=True),
        }


class Book:
    """Every canary of the configuration in force; routes of one *group* have one together.

    A version of a service that is tried has all of its routes for a group: it is judged by what it does on all of
    them, and goes from all of them at once.
    """

    def __init__(self, clock: Clock, wall: Clock, saved: Mapping[str, Decision] | None = None) -> None:
        """`saved` are the decisions of an earlier life, by route; they hold for blocks that have not changed since."""
        self._clock, self._wall = clock, wall
        self._saved = dict(saved or {})
        self._routes: dict[str, tuple[str, str]] = {}
        """By route: under which name its canary is watched, and the digest of its own block."""
        self.watched: dict[str, Watched] = {}

    def follow(self, specs: Mapping[str, Canary], groups: Mapping[str, str] = MappingProxyType({})) -> bool:
        """Take up the canaries of a configuration, by route, and the routes' groups; whether anything is different."""
        before = self.watched, self._routes
        self._routes = {route: (groups.get(route, route), spec.digest) for route, spec in specs.items()}
        firsts: dict[str, Canary] = {}
        for route, spec in specs.items():
            firsts.setdefault(groups.get(route, route), spec)
        self.watched = {name: self._taken_up(name, spec) for name, spec in firsts.items()}
        self._saved.clear()
        return (self.watched, self._routes) != before

    def _taken_up(self, name: str, spec: Canary) -> Watched:
        known = self.watched.get(name)
        if known is not None and known.spec == spec:
            return known
        decision = Decision(spec.digest, spec.weight, since=self._wall())
        for route, (of_name, digest) in self._routes.items():
            saved = self._saved.get(route)
            if of_name == name and saved is not None and saved.of == digest:
                decision = replace(saved, of=spec.digest)
                break
        return Watched(name, spec, decision, self._clock, self._wall)

    def report(self, source: str, route: str, of: str, canary: Outcomes, stable: Outcomes) -> str | None:
        """A worker's newest counts; the cause when they make the canary roll back."""
        watched = self.on_route(route)
        if watched is None or self._routes[route][1] != of:
            return None  # of a configuration that is on its way out, or in
        return watched.report(source + _OF_ROUTE + route, canary, stable)

    def on_route(self, route: str) -> Watched | None:
        """The canary of a route."""
        return self.watched[self._routes[route][0]] if route in self._routes else None

    def forget(self, source: str) -> None:
        """A worker has gone."""
        for watched in self.watched.values():
            watched.forget(source)

    def decisions(self) -> dict[str, Decision]:
        """What holds, by route."""
        return {
            route: replace(self.watched[name].decision, of=digest) for route, (name, digest) in self._routes.items()
        }

    def orders(self) -> dict[str, dict[str, Any]]:
        """What workers must know."""
        return {
            route: {"of": one.of, "weight": one.weight, "open": one.open} for route, one in self.decisions().items()
        }


def _grown(now: Outcomes, before: Outcomes) -> Outcomes:
    """What was counted since; a count that has become smaller began anew."""
    return now.since(before) if now.requests >= before.requests else now


def _side(side: Outcomes, quantile: float) -> dict[str, Any]:
    seconds = side.quantile(quantile)
    return {
        "requests": side.requests,
        "failures": side.failures,
        "error_ratio": round(side.error_ratio, 4),
        "quantile_ms": None if seconds is None else round(seconds * 1000, 1),
    }

"""A route's canary in one worker: who gets it, and how both sides did.

The problem: the decision about a canary falls in the control process, for all workers at once, and a request needs an
answer now. The rule: here stand the weight in force and the counts since the block was read; control reads the counts,
and sends orders. An order names the digest of the block that it was given for, so that it never hits another one.

A request that carries the canary's header has chosen for itself, by its value. All others are drawn by weight, and
only they are counted: those who test would spoil the comparison, and a stranger could sink a canary by a header.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from gateway.http.messages import Request
from gateway.observability.outcomes import Outcomes
from gateway.spec.models import Canary as CanarySpec

FILE: Final = "canaries.json"
"""What control decided, in its state directory."""

Orders = Mapping[str, Mapping[str, Any]]
"""By route: `of` (a digest), `weight` (percent) and `open` (whether the header still chooses it)."""


def read_orders(path: Path) -> Orders:
    """What control had written down, for a worker that starts while it is away; nothing where there is no such file.

    Raises:
        ValueError: it is not what control writes.
    """
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    try:
        return {name: {key: one[key] for key in ("of", "weight", "open")} for name, one in found["canaries"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path.name} is no file of canaries: {error!r}") from None


class Canary:
    """The observed state."""

    __slots__ = ("_header", "_value", "canary", "digest", "open", "spec", "stable", "weight")

    def __init__(self, spec: CanarySpec) -> None:
        self.spec = spec
        self.digest = spec.digest
        self._header = spec.header.name.encode() if spec.header else b""
        self._value = spec.header.value.encode("latin-1") if spec.header else b""
        self.weight = spec.weight
        """Percent of the drawn requests."""
        self.open = True
        """Whether a request may still choose the canary."""
        self.canary = Outcomes()
        self.stable = Outcomes()

    def __repr__(self) -> str:
        return f"<Canary {self.spec.cluster} {self.weight} % {'' if self.open else 'closed'}>"

    def obey(self, order: Mapping[str, Any] | None) -> None:
        """Take up what control decided, if it was about this very block."""
        if order is not None and order["of"] == self.digest:
            self.weight, self.open = order["weight"], order["open"]

    def drawn(self, request: Request) -> bool:
        """Whether the weight decides, not the request."""
        return self._header not in request.fields  # no field has the name b""

    def takes(self, request: Request, random: Random) -> bool:
        """Whether the canary gets this request."""
        value = request.fields.get(self._header)
        if value is not None:
            return self.open and value == self._value
        return random.random() * 100 < self.weight

    def certain(self, request: Request) -> bool | None:
        """Whether the canary would get it, as far as that is not left to chance."""
        if not self.drawn(request):
            return self.open and request.fields[self._header] == self._value
        return {0: False, 100: True}.get(self.weight)

    def report(self) -> dict[str, Any]:
        """For the channel to control."""
        return {"of": self.digest, "canary": self.canary.report(), "stable": self.stable.report()}

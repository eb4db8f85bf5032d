"""Failures planted on purpose: which of them a try meets.

The problem: time-outs, retries and limits are believed to work until the day on which they are needed; and a fault
that is planted in front of the retries shows none of it (istio/istio#13705). The rule: each try draws for itself,
behind the choice of its endpoint, so that all that handles real failures meets these; and everything that tells of
the request says that they were planted.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gateway.spec.tries import Faults as Spec

RESET = 0
"""Stands for a status where the connection breaks instead."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What one try meets."""

    delay: float
    """Seconds; 0.0 for none."""
    abort: int | None
    """The status that stands for the service's answer, RESET, or None: the try goes out."""

    def __str__(self) -> str:
        told = [f"delay {self.delay:g} s"] if self.delay else []
        if self.abort is not None:
            told.append(f"abort {self.abort}" if self.abort else "reset")
        return ", ".join(told)

    @property
    def kinds(self) -> tuple[str, ...]:
        """For the counter."""
        return ("delay",) * bool(self.delay) + ("abort",) * (self.abort is not None)


class Faults:
    """A route's `faults`, ready to draw."""

    __slots__ = ("_from_anybody", "_spec", "header")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self.header = spec.header.encode("ascii") if spec.header else None
        self._from_anybody = spec.from_anybody

    def __str__(self) -> str:
        """In words, for explanations and warnings."""
        return tell(self._spec)

    def obeys(self, trusted: bool) -> bool:
        """Whether a peer's header counts."""
        return trusted or self._from_anybody

    def draw(self, random: Random) -> Fault | None:
        """What the next try meets; None for most."""
        delay, abort = self._spec.delay, self._spec.abort
        late = delay is not None and random.random() * 100 < delay.percent
        fails = abort is not None and random.random() * 100 < abort.percent
        if not (late or fails):
            return None
        return Fault(
            delay.duration if late and delay is not None else 0.0,
            (abort.status or RESET) if fails and abort is not None else None,
        )


def tell(spec: Spec) -> str:
    """What is planted, in words."""
    told = []
    if spec.delay is not None:
        told.append(f"{spec.delay.percent:g} % of tries begin {spec.delay.duration:g} s late")
    if spec.abort is not None:
        how = "a broken connection" if spec.abort.reset else str(spec.abort.status)
        told.append(f"{spec.abort.percent:g} % of tries end with {how}")
    if spec.header is not None:
        told.append(f"only for requests with {spec.header}{'' if spec.from_anybody else ' from trusted peers'}")
    return ", ".join(told)

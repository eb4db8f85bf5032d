"""What an incident is: a real fault, what shows it, and what a good answer is.

The problem: who has planted a fault knows it, who looks for it does not, and "found it" must not be a matter of
opinion. The rule: the fault is done to the running shop, and undone; the answer is a service and a cause out of a fixed
list, judged by what was done; a wrong one is told why it is wrong and where to look next.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scenarios.incidents.metrics import Signal

if TYPE_CHECKING:
    from scenarios.incidents.bench import Bench

CAUSES: Mapping[str, str] = {
    "slow-database": "A database answers late; the service in front of it waits.",
    "error-burst": "A new version was deployed, and fails some of its requests.",
    "memory-leak": "A process keeps memory that it no longer needs.",
    "retry-storm": "Failures are repeated so often that the repetitions are most of the load.",
    "expired-certificate": "A certificate has run out, and nobody renewed it.",
    "noisy-neighbour": "One client uses up a limit that others share with it.",
    "poisoned-cache": "A wrong answer is kept, and given again.",
    "broken-contract": "A service answers in another form than its callers were promised.",
    "process-down": "A process has ended, or does not start.",
    "expired-token": "A token or key is no longer believed.",
    "dead-third-party": "A third party does not answer.",
    "wrong-route": "The gateway sends requests to the wrong place.",
}
"""What can be answered. The last four are never right; they are plausible, which is the point."""


@dataclass(frozen=True)
class Incident:
    """One fault of the catalogue."""

    id: str
    """Also its cause."""
    kind: str
    """For the list: which class of fault, and not where."""
    ticket: str
    """What somebody reports when it begins: a symptom."""
    services: tuple[str, ...]
    """Right answers; the first is the best."""
    inject: Callable[[Bench], None]
    signal: Signal
    what: str
    """What was done, in a line, for the timeline."""
    look: tuple[str, ...]
    """Where to look, from the first glance to the proof."""
    elsewhere: Mapping[str, str]
    """Wrong services that are plausible, and why it is not they."""
    otherwise: Mapping[str, str]
    """Wrong causes that are plausible, and why it is not they."""
    mend: str
    """What one would do in earnest."""
    difficulty: int
    minutes: int
    architecture: Literal["any", "mesh"] = "any"

    def __post_init__(self) -> None:
        plausible = {*self.otherwise} <= {*CAUSES} - {self.id} and not {*self.elsewhere} & {*self.services}
        if not (self.id in CAUSES and self.services and self.look and plausible and 1 <= self.difficulty <= 6):
            raise ValueError(f"{self.id} is not complete")


@dataclass(frozen=True)
class Judgement:
    """What an answer is worth."""

    service: str
    cause: str
    right: bool
    why: str
    """Why not; or what it was."""
    hint: str = ""
    """Where to look next."""
    at: float = field(default=0.0, compare=False)
    """Seconds since the epoch."""


def judge(incident: Incident, service: str, cause: str, wrong_before: int, at: float) -> Judgement:
    """Judge an answer; hints go further with each wrong one."""
    good_service, good_cause = service in incident.services, cause == incident.id
    if good_service and good_cause:
        return Judgement(service, cause, True, incident.what, at=at)
    hint = incident.look[min(wrong_before, len(incident.look) - 1)]
    if good_cause:
        why = f"The cause is right. {incident.elsewhere.get(service, f'It is not {service}.')}"
    elif good_service:
        why = f"{service} is right. {incident.otherwise.get(cause, 'That is not what is wrong with it.')}"
    else:
        told = [incident.elsewhere.get(service), incident.otherwise.get(cause)]
        why = " ".join(filter(None, told)) or f"Neither {service} nor {cause}: what is seen says otherwise."
    return Judgement(service, cause, False, why, hint, at)

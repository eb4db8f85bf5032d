"""What a scenario is: a story that can be run, and judged by what it left behind.

The problem: an attack that is told proves nothing, and a defence that is shown without the attack proves less. The
rule: a scenario is code. It attacks the same system twice, first without the control and then with it. It passes when
the attack got through the first time, was stopped the second time, and what honest people do worked both times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from scenarios.lab.target import Target

Architecture = Literal["monolith", "flat", "gateway", "mesh"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
"""From the one that holds together least to the one that holds most."""
ConfigFile = Literal["gateway", "mesh"]
Where = Literal["gateway", "mesh", "service"]


@dataclass(frozen=True)
class Remove:
    """A weakness at the gateway: a route loses filters of a type. The file's other lines stay as they are."""

    route: str
    """The route's name; "" for the filters of every route."""
    filter: str


@dataclass(frozen=True)
class Rewrite:
    """A weakness at the gateway: another change of the configuration, as plain data."""

    change: Callable[[dict[str, object], Target], None]
    says: str
    """What it changes, in a line."""
    file: ConfigFile = "gateway"
    """Which configuration: the gateway's, or the mesh's."""
    staged: bool = False
    """Whether what it takes away is a part of the scenario's own stage, and nowhere else."""


@dataclass(frozen=True)
class Plant:
    """A weakness in a service: a protection that its code leaves out (marked `LAB` there)."""

    service: str
    name: str


@dataclass(frozen=True)
class Option:
    """A service's own option: somebody else's misbehaviour, or another version."""

    service: str
    name: str
    value: str
    says: str


@dataclass(frozen=True)
class Bypass:
    """What the gateway's core does always, so that it cannot be configured away: a naive stand-in of the lab's takes
    its place (scenarios/lab/naive.py), in the attacking process and on loopback."""

    says: str
    """What stands where, in a line."""


@dataclass(frozen=True)
class Instead:
    """A weakness that is an architecture: without the control the shop is built like this."""

    architecture: Architecture


@dataclass(frozen=True)
class Open:
    """A third party that is let out to and in from, though it has turned: nobody has pulled the switch."""

    third_party: str


Weakness = Remove | Rewrite | Plant | Option | Bypass | Instead | Open


@dataclass(frozen=True)
class Control:
    """What stops the attack."""

    name: str
    where: Where
    lines: str
    """The lines of configuration or code that do it."""
    elsewhere: str = ""
    """The same for Envoy or Istio, where there is such a thing."""


@dataclass(frozen=True)
class WrongFix:
    """Something plausible that does not stop the attack."""

    idea: str
    why: str


@dataclass
class Outcome:
    """What one run of an attack came to."""

    breached: bool
    got: str
    """What the attacker has now, in a few words."""
    measures: Mapping[str, str] = field(default_factory=dict)
    """Numbers that tell how bad it was, the same names in both runs."""
    shows: str = ""
    """Method and target of the request that tells most, if that is not the first that was answered otherwise."""


@dataclass(frozen=True)
class Scenario:
    """One scenario of the catalogue."""

    id: str
    title: str
    story: str
    references: tuple[str, ...]
    """OWASP API Security Top 10 (2023), CWE, RFC."""
    claims: tuple[str, ...]
    difficulty: int
    minutes: int
    weaknesses: tuple[Weakness, ...]
    control: Control
    attack: Callable[[Target], Outcome]
    benign: Callable[[Target], bool]
    """What honest people do; whether it worked."""
    hints: tuple[str, ...]
    wrong_fixes: tuple[WrongFix, ...]
    questions: tuple[tuple[str, str], ...] = ()
    """For a trainer: questions with their answers."""
    architecture: Architecture = "gateway"
    stage: tuple[Remove | Rewrite | Plant | Option, ...] = ()
    """What is there both times and afterwards not: what the scenario needs, and is not what it compares."""

    def __post_init__(self) -> None:
        if not (1 <= self.difficulty <= 6 and self.hints and self.wrong_fixes and self.weaknesses):
            raise ValueError(f"{self.id} is not complete")

    @property
    def instead(self) -> Architecture | None:
        """The architecture of the side without the control, where it is another one."""
        return next((one.architecture for one in self.weaknesses if isinstance(one, Instead)), None)

"""The words of a measurement: what is set up, what is asked, what came out.

The problem: a dozen workloads of five kinds must end in one table. The rule: whatever is measured becomes a number
with a name, each round gives one Sample, and a Row is the median of its rounds; a Row with one failed request is void.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Setup:
    """How a proxy is configured for one measurement."""

    policy: bool = False
    """The policy chain: JWT, scope, limit per subject, request id."""
    routes: int = 0
    """Routes besides the one that is asked for."""
    redis: bool = False
    """The chain's limit is kept in a Redis, which runs beside the upstream."""
    access_log: bool = False
    sampled: float = 0.0
    """Share of requests that become spans."""
    tls: bool = False
    hops: str = ""
    """Two of us, one behind the other: "plain", or "mesh" (see benchmarks.hops)."""
    streaming: bool = False
    """The upstream is our own streaming backend, and the route has no time limit."""


@dataclass(frozen=True)
class Entry:
    """One row of a workload: a proxy in a setup."""

    proxy: str
    setup: Setup = Setup()
    label: str = ""

    @property
    def name(self) -> str:
        """What the row is called."""
        return self.label or self.proxy


@dataclass(frozen=True)
class Target:
    """A number to reach: absolute, or times another row's."""

    row: str
    metric: str
    limit: float
    base: str = ""
    """The row to compare with; empty for an absolute limit."""
    at_least: bool = False
    """Whether more is better."""


@dataclass(frozen=True)
class Site:
    """Where a load finds the proxy, and what it may use."""

    pid: int
    port: int
    tls: bool
    directory: Path
    token: str
    seconds: int
    core: int
    """Where the load and the upstream run."""
    backend_port: int
    rate: float = 0.0
    """Requests per second, for loads of a fixed rate."""
    megabytes: int = 1024
    """How much a stream carries, in MiB."""
    headers: tuple[tuple[str, str], ...] = ()
    """What each request must say besides."""


@dataclass(frozen=True)
class Sample:
    """What one round gave: numbers by name (units in the names), and how many requests went wrong."""

    values: dict[str, float]
    failed: int = 0


Load = Callable[[Site], Sample]


@dataclass(frozen=True)
class Workload:
    """What every entry is asked to do."""

    name: str
    about: str
    metric: str
    """What the chart shows."""
    load: Load
    entries: tuple[Entry, ...]
    targets: tuple[Target, ...] = ()
    path: str = "/orders/1"
    """Asked for until the proxy serves, before anything is measured."""
    warm_up: Load | None = None
    once: bool = False
    """Memory does not jitter as times do: one round is enough."""
    rate_of: str = ""
    """Runs at half of the slower maximum of Gatehouse and Envoy in this workload."""


@dataclass(frozen=True)
class Row:
    """The medians of one entry's rounds."""

    workload: str
    name: str
    values: dict[str, float] = field(default_factory=dict)
    rounds: dict[str, list[float]] = field(default_factory=dict)
    failed: int = 0
    problem: str = ""
    """Why there are no numbers."""

    @property
    def void(self) -> bool:
        """Whether its numbers count for nothing."""
        return bool(self.failed or self.problem)


def median_row(workload: str, name: str, samples: list[Sample]) -> Row:
    """One row of at least one sample; every sample has the same names."""
    rounds = {metric: [sample.values[metric] for sample in samples] for metric in samples[0].values}
    medians = {metric: statistics.median(values) for metric, values in rounds.items()}
    return Row(workload, name, medians, rounds, sum(sample.failed for sample in samples))

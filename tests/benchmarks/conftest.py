"""One small run to report about."""

from __future__ import annotations

import pytest

from benchmarks.loads.wrk import Wrk
from benchmarks.model import Entry, Row, Target, Workload
from benchmarks.policy_costs import Cost
from benchmarks.report import Report

WORKLOAD = Workload(
    "plain",
    "a <plain> proxy & nothing else",
    "cpu_us",
    Wrk(),
    (Entry("gatehouse"), Entry("envoy"), Entry("nginx")),
    (
        Target("gatehouse", "cpu_us", 0.6, "envoy"),
        Target("gatehouse", "rate", 4.0, "envoy", at_least=True),
        Target("gatehouse", "cpu_us", 2.0, "nginx"),
        Target("gatehouse", "rss_mib", 80.0),
    ),
)


@pytest.fixture
def report() -> Report:
    rows = (
        Row("plain", "gatehouse", {"cpu_us": 30.0, "rate": 30_000.0, "rss_mib": 80.5}, {"cpu_us": [29.0, 30.0, 31.0]}),
        Row("plain", "envoy", {"cpu_us": 60.0, "rate": 15_000.0}),
        Row("plain", "nginx", {"cpu_us": 15.0}, failed=7),
    )
    costs = [Cost("CORS", 1.25, 0.5), Cost("ApiKey", 3.0, None)]
    return Report({"cpu": "A & B", "cores": "2"}, {"envoy": "1.40"}, "Medians.", (WORKLOAD,), rows, costs, ("a mesh",))

"""docs/observability.md names every metric of the gateway's workers and of the control process."""

from __future__ import annotations

import random
import time
from pathlib import Path

from gateway.control.metrics_merge import MetricsBook
from gateway.control.metrics_render import ControlMetrics
from gateway.roles.worker import Worker

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text()


def full_name(name: str, kind: str) -> str:
    """A family's name as it stands in a query."""
    return f"{name}_total" if kind == "counter" else name


def test_every_metric_of_a_worker_is_told() -> None:
    worker = Worker("gateway-1", time.monotonic, random.Random(1), None)
    names = {full_name(family["name"], family["type"]) for family in worker.metrics.families()}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()


def test_every_metric_of_control_is_told() -> None:
    names = {full_name(metric.name, metric.type) for metric in ControlMetrics(MetricsBook()).registry.collect()}
    assert {name for name in names if f"`{name}`" not in PAGE} == set()

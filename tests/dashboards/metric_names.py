"""Every metric that a Gatehouse can tell, by name, and the names that a query asks for."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics_core import Metric

from gateway.control.instance_metrics import InstanceMetrics
from gateway.control.metrics_merge import MetricsBook
from gateway.control.metrics_render import ControlMetrics
from gateway.roles.worker import Worker
from sample_services.kit.metrics import Metrics

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "dashboards" / "prometheus"
OWN = {"ALERTS", "ALERTS_FOR_STATE", "up", "scrape_duration_seconds", "scrape_samples_scraped"}
"""Prometheus' own."""
_FIRST_DEFINED = re.compile(r"\b(?:Counter|Gauge|Histogram|gauge|counter)\(\s*\"([a-z_]+)\"")
_NOT_NAMES = {
    "by", "on", "or", "and", "unless", "without", "group_left", "group_right", "ignoring", "offset", "bool", "inf",
}  # fmt: skip


def samples(name: str, kind: str) -> Iterator[str]:
    """What a family is called where it is asked for."""
    match kind:
        case "counter":
            yield f"{name.removesuffix('_total')}_total"
        case "histogram":
            yield from (f"{name}_bucket", f"{name}_count", f"{name}_sum")
        case _:
            yield name


def _told(metrics: Iterable[Metric]) -> Iterator[str]:
    for metric in metrics:
        yield from samples(metric.name, metric.type)


def told() -> set[str]:
    """By the gateway, the control process, the kit of the services, and each service's own module."""
    worker = Worker("gateway-1", time.monotonic, random.Random(1), None)
    kit = Metrics()
    names = {one for family in worker.metrics.families() for one in samples(family["name"], family["type"])}
    names |= set(_told(ControlMetrics(MetricsBook()).registry.collect()))
    names |= set(_told(InstanceMetrics(list, lambda: False).collect()))
    names |= set(_told(kit.registry.collect()))
    for path in [*(ROOT / "gateway").rglob("*.py"), *(ROOT / "sample_services").rglob("*.py")]:
        for name in _FIRST_DEFINED.findall(path.read_text()):
            names |= {name, f"{name}_total", f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return names


def rules() -> Iterator[dict[str, Any]]:
    """Every rule of dashboards/prometheus/rules."""
    for path in sorted((PROMETHEUS / "rules").glob("*.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def recorded() -> set[str]:
    """Names that recording rules make."""
    return {rule["record"] for rule in rules() if "record" in rule}


def asked(query: str) -> set[str]:
    """The metrics that a PromQL expression names."""
    bare = re.sub(r"\"[^\"]*\"", "", query)
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", bare)
    bare = re.sub(r"\b(by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", bare)
    return {word for word in words if word not in _NOT_NAMES}

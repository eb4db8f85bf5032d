"""What only the control process knows of all processes, as metrics: those of Redis and sidecars among them.

The supervisor is asked every two seconds anyway (services.py); here its latest answer gets Prometheus' form. Names of
processes are the supervisor's own, and there are at most 200 of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LABELS = ("process", "kind")


class InstanceMetrics(Collector):
    """`processes` are the supervisor's rows; `overridden` says whether something stands in for a file."""

    def __init__(self, processes: Callable[[], list[dict[str, Any]]], overridden: Callable[[], bool]) -> None:
        self._processes, self._overridden = processes, overridden

    def collect(self) -> Iterator[Metric]:
        """The families, as of the latest look."""
        running = GaugeMetricFamily("gateway_process_running", "1 if the process runs, else 0.", labels=LABELS)
        memory = GaugeMetricFamily(
            "gateway_process_memory_bytes", "Its memory: the proportional share where it is told.", labels=LABELS
        )
        restarts = CounterMetricFamily(
            "gateway_process_restarts", "How often it was started again by itself.", labels=LABELS
        )
        for row in self._processes():
            labels = (str(row.get("name", "")), str(row.get("kind", "")))
            running.add_metric(labels, float(row.get("state") == "running"))
            restarts.add_metric(labels, float(row.get("restarts") or 0))
            if size := row.get("pss_bytes") or row.get("rss_bytes"):
                memory.add_metric(labels, float(size))
        overridden = "gateway_config_overridden", "1 while another configuration stands in for a file's, as in the lab."
        yield from (running, memory, restarts)
        yield GaugeMetricFamily(*overridden, value=float(self._overridden()))

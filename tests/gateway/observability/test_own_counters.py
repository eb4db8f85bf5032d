"""Counters that filters of one's own bring: shared by name, apart from ours, and bounded whatever their labels are."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.observability.metrics import Metrics
from gateway.observability.registry import MAX_CHILDREN


def samples(metrics: Metrics, name: str) -> list[Any]:
    return next(one["samples"] for one in metrics.families() if one["name"] == name)


def test_whoever_asks_by_the_same_name_counts_together() -> None:
    metrics = Metrics()
    metrics.counter("acme_things", "Things.", ("kind",)).add("a")
    metrics.counter("acme_things", "Things.", ("kind",)).add("a", amount=2)
    assert samples(metrics, "acme_things") == [["acme_things_total", {"kind": "a"}, 3, None]]


def test_a_name_that_is_taken() -> None:
    metrics = Metrics()
    metrics.counter("acme_things", "Things.")
    with pytest.raises(ValueError, match=r"one of the gateway's own"):
        metrics.counter("gateway_local_replies", "Mine.")
    with pytest.raises(ValueError, match=r"is there with the labels \(none\)"):
        metrics.counter("acme_things", "Things.", ("kind",))


def test_too_many_values_share_one() -> None:
    metrics = Metrics()
    counter = metrics.counter("acme_things", "Things.", ("who",))
    for number in range(MAX_CHILDREN + 50):
        counter.add(str(number))
    counter.add("7")
    assert len(counter.values) == MAX_CHILDREN + 1
    assert (counter.values["_OTHER",], counter.values["7",]) == (50, 2)
    with pytest.raises(ValueError, match="has the labels"):
        counter.add("a", "b")

"""Which class does the work of which filter type.

The problem: a builder with one branch per filter grows without end, and users cannot add to it. The rule: filters
are found by name through the entry-point group `gatehouse.filters` (see pyproject.toml); ours stand there like
anybody's. Adding a filter touches its spec, its file, one row of that group, and its test.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from gateway.filters.chain import AnyFilter
from gateway.spec.models import FilterSpec

GROUP = "gatehouse.filters"


@cache
def filter_classes() -> dict[str, type[AnyFilter]]:
    """Every installed filter class, by the `type` that configurations name it with."""
    return {entry.name: entry.load() for entry in entry_points(group=GROUP)}


def filter_types() -> dict[str, type[FilterSpec]]:
    """The configuration model of every installed filter, by `type`."""
    return {name: one.Spec for name, one in filter_classes().items()}


def authenticating_types() -> frozenset[str]:
    """The types whose filters know who a request comes from."""
    return frozenset(name for name, one in filter_classes().items() if one.authenticates)


def answering_types() -> frozenset[str]:
    """The types whose filters always reply by themselves."""
    return frozenset(name for name, one in filter_classes().items() if one.answers)

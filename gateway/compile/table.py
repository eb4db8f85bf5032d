"""Which class does the work of which filter type.

The problem: a builder with one branch per filter grows without end, users cannot add to it, and a process that needs
three filters should not load the libraries of thirty. The rule: filters are found by name through the entry-point group
`gatehouse.filters` (see pyproject.toml); ours stand there like anybody's; each is loaded when somebody asks for it.
Adding a filter touches its spec, its file, one row of that group, and its test.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from gateway.compile.filter_class import load_class
from gateway.filters.chain import AnyFilter
from gateway.spec.errors import UnusableFilter
from gateway.spec.models import FilterSpec

GROUP = "gatehouse.filters"
LAB_GROUP = "gatehouse.lab.filters"
"""Weak on purpose: found by name, never listed."""


class FilterClasses(MutableMapping[str, type[AnyFilter]]):
    """Filter classes by the `type` that configurations name them with; asking for one loads one.

    Raises:
        UnusableFilter: when one is asked for that does not load, is no filter, or is two packages' at once.
    """

    def __init__(self) -> None:
        points: dict[str, list[EntryPoint]] = {}
        for one in (*entry_points(group=GROUP), *(lab := entry_points(group=LAB_GROUP))):
            points.setdefault(one.name, []).append(one)
        self._known: dict[str, type[AnyFilter] | list[EntryPoint]] = dict(points)
        self._unlisted = frozenset(one.name for one in lab)

    def __getitem__(self, name: str) -> type[AnyFilter]:
        found = self._known[name]
        if isinstance(found, list):
            found = self._known[name] = load_class(name, found)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def raw(self, name: str) -> type[AnyFilter] | list[EntryPoint] | None:
        """What stands under a name, loaded or not; None for nothing. `put_back` takes it."""
        return self._known.get(name)

    def put_back(self, name: str, before: type[AnyFilter] | list[EntryPoint] | None) -> None:
        """Undo a change."""
        if before is None:
            self._known.pop(name, None)
        else:
            self._known[name] = before

    def __setitem__(self, name: str, one: type[AnyFilter]) -> None:
        self._known[name] = one

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._known if name not in self._unlisted)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Models(Mapping[str, type[FilterSpec]]):
    """Their models; asking for one loads one."""

    def __getitem__(self, name: str) -> type[FilterSpec]:
        return filter_classes()[name].Spec

    def __contains__(self, name: object) -> bool:
        return name in filter_classes()

    def __iter__(self) -> Iterator[str]:
        return iter(filter_classes())

    def __len__(self) -> int:
        return len(filter_classes())


class TypesThat(Collection[str]):
    """The types whose classes have a quality; asking about one loads one, listing them loads all.

    One that cannot be used has none: whoever names it is told why by the loader.
    """

    def __init__(self, holds: Callable[[type[AnyFilter]], bool]) -> None:
        self._holds = holds

    def __contains__(self, name: object) -> bool:
        classes = filter_classes()
        try:
            return isinstance(name, str) and name in classes and self._holds(classes[name])
        except UnusableFilter:
            return False

    def __iter__(self) -> Iterator[str]:
        return (name for name in filter_classes() if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@cache
def filter_classes() -> FilterClasses:
    """Every installed filter class."""
    return FilterClasses()


def filter_types() -> Mapping[str, type[FilterSpec]]:
    """The configuration model of every installed filter, by `type`."""
    return Models()


def authenticating_types() -> Collection[str]:
    """The types whose filters know who a request comes from."""
    return TypesThat(lambda one: one.authenticates)


def answering_types() -> Collection[str]:
    """The types whose filters always reply by themselves."""
    return TypesThat(lambda one: one.answers)

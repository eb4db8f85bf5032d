"""One filter class from its entry point, looked at before it is believed.

The problem: a filter in somebody's own package fails in ways that ours never do: its module does not import, it has no
`Spec`, two packages have the same name for theirs. A traceback tells that to nobody who writes a configuration. The
rule: whatever is wrong is one sentence, which the loader shows with the line that names the filter.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from importlib.metadata import EntryPoint
from typing import Any, get_args

from gateway.filters.base import Filter
from gateway.filters.chain import AnyFilter
from gateway.spec.errors import UnusableFilter, fault
from gateway.spec.models import FilterSpec


def load_class(name: str, points: Sequence[EntryPoint]) -> type[AnyFilter]:
    """The class that the one entry point of this name stands for.

    Raises:
        UnusableFilter: there are two of them, it does not load, or it is no filter of this name.
    """
    if len(points) > 1:
        packages = " and ".join(sorted({_package(one) for one in points}))
        raise UnusableFilter(f'filter type "{name}" is ambiguous: {packages} both have one; give yours another name')
    point = points[0]
    try:
        found = point.load()
    except Exception as error:
        raise UnusableFilter(f"{_named(name, point)} does not load: {fault(error)}") from error
    if problem := class_problem(name, found):
        raise UnusableFilter(f"{_named(name, point)} cannot be used: {problem}")
    return found  # type: ignore[no-any-return]  # class_problem has looked


def _named(name: str, point: EntryPoint) -> str:
    return f'filter type "{name}" ({point.value} in {_package(point)})'


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "some package"


def class_problem(name: str, found: Any) -> str:
    """Why a class does not do the work of filters of this type, or ""."""
    if not isinstance(found, type):
        return f"it names {_kind(found)}, and not a class"
    if not issubclass(found, Filter):
        return f"{found.__name__} does not derive from gateway.filters.base.Filter"
    model = getattr(found, "Spec", None)
    if not (isinstance(model, type) and issubclass(model, FilterSpec)):
        return f"{found.__name__} needs a `Spec`: the model of its configuration, a class that derives from FilterSpec"
    if found.decide is Filter.decide:
        return f"{found.__name__} has no `decide`: it returns None for a request that may pass, or a Reply"
    names = get_args(model.model_fields["type"].annotation)
    if names and name not in names:
        return f"the `type` of its Spec says {names[0]!r}; name the entry point and the type alike"
    return ""


def _kind(found: Any) -> str:
    return "a module" if inspect.ismodule(found) else f"an object of type {type(found).__name__}"

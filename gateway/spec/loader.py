"""From the text of a configuration file to a Spec that can be believed.

The problem: a file with ten mistakes must not take ten tries. The rule, in three steps that each tell everything
they find: the text becomes data with places (`source`); filters by their `type`, then the whole document, become
models (`models`, `filters`); what spans models is checked (`checks`). Nothing is ever half loaded.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.spec import words
from gateway.spec.checks import check
from gateway.spec.errors import UnusableFilter, fault, nearest
from gateway.spec.models import FILLED_IN, FilterSpec, FilterTypes, Spec
from gateway.spec.reading import parse, plain
from gateway.spec.source import PathTuple

AUTHENTICATING: Final = frozenset({"ApiKey", "JWT", "TokenIntrospection", "WebhookSignature"})
ANSWERING: Final = frozenset({"Jwks", "RequestRedirect"})

M = TypeVar("M", bound=BaseModel)


def load(
    text: str,
    file: str,
    variables: Mapping[str, str],
    filter_types: FilterTypes,
    authenticating: Collection[str] = AUTHENTICATING,
    answering: Collection[str] = ANSWERING,
    folder: Path | None = None,
    now: float | None = None,
) -> Spec:
    """The Spec that `text` describes; `file` is its name in errors and in every `where`.

    Args:
        variables: what `${NAME}` stands for.
        authenticating: types of filters that let only authenticated requests pass.
        answering: types of filters that answer every request by themselves.
        folder: where relative paths begin; the working directory when nothing is said.
        now: seconds since the epoch, to judge certificates by.

    Raises:
        SpecErrors: every mistake of the first step that found any.
    """
    source = parse(text, file, variables)
    spec = load_data(plain(source), source, filter_types, folder or Path())
    source.stop_on_errors()
    assert spec is not None  # a failed validation has reported why
    judged_at = time.time() if now is None else now
    for finding in check(spec, authenticating=authenticating, answering=answering, now=judged_at):
        source.report(finding.path, finding.message, finding.suggestion)
    source.stop_on_errors()
    return spec


class Places(Protocol):
    """Who knows where in a file a value stands."""

    def report(self, path: PathTuple, message: str, suggestion: str | None = None, *, key: bool = False) -> None:
        """Note a mistake in the value at `path`, or in its key."""

    def where(self, path: PathTuple) -> str:
        """`file:line` of a value."""


def load_data(data: Any, places: Places, filter_types: FilterTypes, folder: Path) -> Spec | None:
    """The Spec of plain data; None when mistakes were reported to `places`."""
    return _Document(places, filter_types, folder.absolute()).validate(data)


def _with_digest(model: FilterSpec) -> FilterSpec:
    """The filter with what its files say, and a digest of them; one that cannot be read is for the checks to tell."""
    if not model.files():
        return model
    digest = hashlib.sha256()
    for file in model.files():
        try:
            digest.update(hashlib.sha256(Path(file).read_bytes()).digest())
        except OSError:
            digest.update(b"missing")
    return model.loaded().model_copy(update={"digest": digest.hexdigest()})


class _Document:
    """The plain data of one file on its way to a Spec."""

    def __init__(self, source: Places, filter_types: FilterTypes, folder: Path) -> None:
        self._source = source
        self._types = filter_types
        self._context = {"folder": str(folder)}  # also tells fields that they stand in a file

    def validate(self, data: Any) -> Spec | None:
        """The Spec, or None when mistakes were reported."""
        if isinstance(data, dict):
            data = self._prepared(data)
        return self._model(Spec, data, ())

    def _prepared(self, data: dict[str, Any]) -> dict[str, Any]:
        """The document with every filter a model already, and `where` filled in for filters and routes."""
        prepared = dict(data)
        if "filters" in data:
            prepared["filters"] = self._filters(data["filters"], ("filters",))
        routes = data.get("routes")
        if isinstance(routes, tuple):
            prepared["routes"] = tuple(self._route(route, ("routes", i)) for i, route in enumerate(routes))
        return prepared

    def _route(self, route: Any, path: PathTuple) -> Any:
        if not isinstance(route, dict):
            return route
        self._refuse_where(route, path)
        prepared = route | {"where": self._source.where(path)}
        if "filters" in route:
            prepared["filters"] = self._filters(route["filters"], (*path, "filters"))
        return prepared

    def _filters(self, filters: Any, path: PathTuple) -> Any:
        if not isinstance(filters, tuple):
            return filters  # no list: the model says so
        return tuple(self._filter(item, (*path, i)) for i, item in enumerate(filters))

    def _filter(self, item: Any, path: PathTuple) -> FilterSpec:
        """The filter's own model; after a mistake a stand-in, so that the rest is still checked."""
        where = self._source.where(path)
        stand_in = FilterSpec(type="", where=where)
        if not isinstance(item, dict):
            self._source.report(path, f"expected a filter (a mapping with a type), found {words.describe(item)}")
            return stand_in
        self._refuse_where(item, path)
        kind = item.get("type")
        if not isinstance(kind, str) or kind not in self._types:
            self._unknown_type(kind, path)
            return stand_in
        try:
            model = self._model(self._types[kind], item | {"where": where}, path)
            return _with_digest(model) if model else stand_in
        except UnusableFilter as error:
            self._source.report((*path, "type"), str(error))
        except Exception as error:  # of somebody's own model: what is wrong there must not end as a traceback here
            self._source.report((*path, "type"), f'the model of filter type "{kind}" failed: {fault(error)}')
        return stand_in

    def _unknown_type(self, kind: Any, path: PathTuple) -> None:
        known = tuple(sorted(self._types))
        listed = ", ".join(known)
        if not isinstance(kind, str):
            self._source.report(path, f"a filter needs a type, one of {listed}")
        else:
            self._source.report(
                (*path, "type"), f'unknown filter type "{kind}"; known are {listed}', nearest(kind, known)
            )

    def _refuse_where(self, item: dict[str, Any], path: PathTuple) -> None:
        for ours in FILLED_IN:
            if ours in item:
                self._source.report((*path, ours), f'unknown key "{ours}"', key=True)

    def _model(self, model: type[M], data: Any, path: PathTuple) -> M | None:
        """A model from plain data, by the names that files use; None when mistakes were reported."""
        try:
            return model.model_validate(data, context=self._context, by_alias=True, by_name=False)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._report(detail, model, path)
            return None

    def _report(self, detail: ErrorDetails, model: type[BaseModel], path: PathTuple) -> None:
        inner = detail["loc"]
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            return  # enough items stand there; what is wrong with them is told on its own
        message, suggestion = words.put(detail, model, inner)
        is_key = detail["type"] == "extra_forbidden"
        self._source.report((*path, *inner), message, suggestion, key=is_key)

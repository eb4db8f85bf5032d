"""A Spec from its own plain form: how it travels from the control process to the workers.

The problem: a worker starts as fast as what it imports. The rule: what was read and checked once, by control, is not
checked again; only its types are restored, without the reader of files and without the checks. A contract that stands
on a hundred routes travels once, and is kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from gateway.spec.models import Document, FilterSpec, FilterTypes, Spec


def sent(spec: Spec) -> dict[str, Any]:
    """The plain form of a spec, with each contract of its filters once, in `contracts`; `restore` reads it."""
    document = spec.model_dump(mode="json", by_alias=True)
    places: dict[str, int] = {}
    for item in chain(document["filters"], *(route["filters"] for route in document["routes"])):
        if item.get("contract"):  # no filter has a key of this name but what the loader fills in
            item["contract"] = str(places.setdefault(item["contract"], len(places)))
    return {**document, "contracts": list(places)} if places else document


def restore(document: Document, filter_types: FilterTypes) -> Spec:
    """The Spec from what `sent` made of it, or from its own `model_dump(mode="json", by_alias=True)`.

    Raises:
        ValueError: it is not such a document (pydantic's ValidationError is one), or of another installation's filters.
    """
    plain = {key: value for key, value in document.items() if key != "contracts"}
    contracts = document.get("contracts")
    routes = [
        {**route, "filters": _restored(route.get("filters", ()), filter_types, contracts)}
        for route in document.get("routes", ())
    ]
    filters = _restored(document.get("filters", ()), filter_types, contracts)
    return Spec.model_validate({**plain, "filters": filters, "routes": routes})


def _restored(filters: Any, filter_types: FilterTypes, contracts: Sequence[str] | None) -> list[FilterSpec]:
    try:
        return [filter_types[item["type"]].model_validate(_whole(item, contracts)) for item in filters]
    except KeyError as error:
        raise ValueError(f"unknown filter type {error}") from error


def _whole(item: Document, contracts: Sequence[str] | None) -> Document:
    """A filter with its contract in place of where that stands."""
    if not contracts or not item.get("contract"):
        return item
    try:
        return {**item, "contract": contracts[int(item["contract"])]}
    except IndexError:
        raise ValueError("a contract is missing") from None

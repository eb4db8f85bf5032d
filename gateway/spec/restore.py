"""A Spec from its own plain form: how it travels from the control process to the workers.

The problem: a worker starts as fast as what it imports. The rule: what was read and checked once, by control, is not
checked again; only its types are restored, without the reader of files and without the checks.
"""

from __future__ import annotations

from typing import Any

from gateway.spec.models import Document, FilterSpec, FilterTypes, Spec


def restore(document: Document, filter_types: FilterTypes) -> Spec:
    """The Spec from its own `model_dump(mode="json", by_alias=True)`: what a worker gets over the channel.

    Raises:
        ValueError: it is not such a document (pydantic's ValidationError is one), or of another installation's filters.
    """
    routes = [
        {**route, "filters": _restored(route.get("filters", ()), filter_types)} for route in document.get("routes", ())
    ]
    filters = _restored(document.get("filters", ()), filter_types)
    return Spec.model_validate({**document, "filters": filters, "routes": routes})


def _restored(filters: Any, filter_types: FilterTypes) -> list[FilterSpec]:
    try:
        return [filter_types[item["type"]].model_validate(item) for item in filters]
    except KeyError as error:
        raise ValueError(f"unknown filter type {error}") from error

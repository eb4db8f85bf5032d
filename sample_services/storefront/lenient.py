"""Reading an answer as it is often read: what is missing counts as nothing.

It exists for the lab alone (broken-contract). The storefront as it is refuses an answer that breaks its contract.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_args

from pydantic import BaseModel

Part = TypeVar("Part", bound=BaseModel)


def lenient(model: type[Part], said: Any) -> Part:
    """`model` of what was said, with 0 or an empty text for whatever is not there."""
    found = {}
    for name, field in model.model_fields.items():
        inner = next((one for one in get_args(field.annotation) if _is_model(one)), None)
        if name in said:
            found[name] = [lenient(inner, one) for one in said[name]] if inner else said[name]
        elif field.is_required():
            found[name] = 0 if field.annotation is int else ""
    return model.model_validate(found)


def _is_model(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)

"""pydantic's findings in plain words.

The problem: "Input should be a valid tuple [type=tuple_type, input_type=NoneType]" is said to a programmer, not
to the writer of a configuration. The rule: a sentence that names what was found, what is expected, and, for
unknown words, which known word is near.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from gateway.spec.errors import nearest
from gateway.spec.fields import SPELLINGS
from gateway.spec.source import PathTuple

_KINDS: Mapping[type, str] = {
    str: "text", bool: "true or false", int: "a number", float: "a number", tuple: "a list", dict: "a mapping",
}  # fmt: skip
_EXPECTED: Mapping[str, str] = {
    "tuple_type": "a list",
    "model_type": "a mapping of keys to values",
    "dict_type": "a mapping of keys to values",
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
}


def describe(value: Any) -> str:
    """A value as an error tells it: its kind, and the value when it is short."""
    if value is None:
        return "nothing"
    kind = _KINDS.get(type(value), "something else")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{value}"' if len(value) <= 40 else "a long text"
    return f"the number {value}" if isinstance(value, int | float) else kind


def _wrong_kind(error: ErrorDetails) -> str:
    value = error["input"]
    advice = "; put it in quotes" if error["type"] == "string_type" and isinstance(value, int | float) else ""
    return f"expected {_EXPECTED[error['type']]}, found {describe(value)}{advice}"


def _bound(words: str, key: str) -> Callable[[ErrorDetails], str]:
    return lambda error: f"{describe(error['input'])} is out of range: {words} {error['ctx'][key]:g}"


def _misspelled(error: ErrorDetails) -> str:
    pattern = error["ctx"]["pattern"]
    return f'"{error["input"]}" is not {SPELLINGS.get(pattern, f"of the form {pattern}")}'


_SENTENCES: Mapping[str, Callable[[ErrorDetails], str]] = {
    **dict.fromkeys(_EXPECTED, _wrong_kind),
    "greater_than": _bound("it must be more than", "gt"),
    "greater_than_equal": _bound("it must be at least", "ge"),
    "less_than": _bound("it must be less than", "lt"),
    "less_than_equal": _bound("it must be at most", "le"),
    "too_short": lambda error: f"needs at least {error['ctx']['min_length']} item(s)",
    "string_too_short": lambda error: f"needs at least {error['ctx']['min_length']} character(s)",
    "string_too_long": lambda error: f"is longer than {error['ctx']['max_length']} characters",
    "string_pattern_mismatch": _misspelled,
    "value_error": lambda error: str(error["ctx"]["error"]),
}


def put(error: ErrorDetails, model: type[BaseModel], path: PathTuple) -> tuple[str, str | None]:
    """The sentence for one error at `path` inside `model`, and what was probably meant."""
    kind = error["type"]
    word = str(path[-1]) if path else ""
    if kind == "extra_forbidden":
        return f'unknown key "{word}"', nearest(word, known_keys(model, path[:-1]))
    if kind == "missing":
        return f'missing key "{word}"', None
    if kind == "literal_error":
        return _not_a_choice(error)
    if kind in _SENTENCES:
        return _SENTENCES[kind](error), None
    return error["msg"][:1].lower() + error["msg"][1:], None


def _not_a_choice(error: ErrorDetails) -> tuple[str, str | None]:
    expected = error["ctx"]["expected"]
    choices = tuple(re.findall(r"'([^']*)'", expected))
    shown = ", ".join(choices) or expected.replace(" or ", ", ")
    found = error["input"]
    text = f'"{found}"' if isinstance(found, str) else describe(found)
    return f"{text} is not one of {shown}", nearest(str(found), choices) if choices else None


def known_keys(model: type[BaseModel], path: PathTuple) -> tuple[str, ...]:
    """The keys that a file may write at `path` inside `model`."""
    current: type[BaseModel] | None = model
    for part in path:
        if isinstance(part, str) and current is not None:
            fields = {field.alias or name: field for name, field in current.model_fields.items()}
            current = _model_in(fields[part].annotation) if part in fields else None
    if current is None:
        return ()
    names = (field.alias or name for name, field in current.model_fields.items())
    return tuple(name for name in names if name != "where")  # `where` is the loader's own


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `tuple[X, ...]`, `X | None` or `Annotated[X, …]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (tuple, Union, Annotated) or get_args(annotation):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None

"""Bodies as an OpenAPI document describes them: by media type, schema and allow-list of fields.

The problem: the same bytes are an order as JSON and a text as anything else, and services guess. The rule: the media
type decides, it must be one that the document names, and only what can be read in one way is read: JSON (RFC 8259,
strictly), texts in UTF-8, and forms of plain fields. Of other media types nothing can be said; whether they pass is a
declared choice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from gateway.filters.field_list import Unknown, unknown_fields
from gateway.filters.openapi_api import Bodies, Content
from gateway.filters.openapi_values import Shape, Unreadable, decoded, shape_of, typed
from gateway.filters.strict_json import has_halves, read_json
from gateway.http.messages import Flaw

_MEDIA: Final = re.compile(r"\s*([\w!#$&^.+-]+/[\w!#$&^.+-]+)\s*((?:;.*)?)", re.ASCII)
_CHARSET: Final = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)
_ALL_FIELDS: Final = 1_000_000_000


class Misfit(NamedTuple):
    """Why a body is not what the document says."""

    where: str
    """`content_type` or `body`."""
    flaws: tuple[Flaw, ...]


class Body(NamedTuple):
    """A body that was read."""

    value: Any
    unknown: list[Unknown]
    """Fields that were taken out."""
    misfit: Misfit | None = None
    """What is wrong with the rest of it."""


Read = Body | Misfit


def misfit_of(found: Read | None) -> Misfit | None:
    """What is wrong, if anything is."""
    return found.misfit if isinstance(found, Body) else found


def media_type(field: bytes | None) -> str:
    """The media type in lower case, without parameters; empty if there is none that can be read.

    A charset other than UTF-8 makes it none: nobody here reads it.
    """
    match = _MEDIA.fullmatch((field or b"").decode("latin-1"))
    if match is None:
        return ""
    charset = _CHARSET.search(match[2])
    return match[1].lower() if charset is None or charset[1].lower() in ("utf-8", "us-ascii") else ""


def is_json(kind: str) -> bool:
    """Whether a media type is JSON (RFC 6839 section 3.1)."""
    return kind == "application/json" or kind.endswith("+json")


class Reader:
    """Reads bodies of one direction.

    Args:
        max_depth: of JSON.
        other_types: whether media types pass whose schema cannot be applied.
        strip: whether unknown fields are taken out, instead of being misfits.
    """

    def __init__(self, max_depth: int, *, other_types: bool, strip: bool) -> None:
        self._max_depth = max_depth
        self._other_types = other_types
        self._strip = strip

    def read(self, body: bytes, field: bytes | None, bodies: Bodies) -> Read | None:
        """The body, or why it cannot be one; None: there is nothing to hold it to."""
        kind = media_type(field)
        content = bodies.of(kind) if kind else None
        if content is None:
            listed = ", ".join(bodies.kinds[:10])
            return Misfit("content_type", (Flaw(f"its media type must be one of: {listed}"),))
        if content.schema is None:
            return None
        if is_json(kind):
            return self._json(body, content)
        if kind == "application/x-www-form-urlencoded":
            return self._judged(_form, body, content)
        if kind.startswith("text/"):
            return self._judged(_text, body, content)
        return None if self._other_types else Misfit("content_type", (Flaw(f"{kind} cannot be checked here"),))

    def _json(self, body: bytes, content: Content) -> Read:
        try:
            value = read_json(body, self._max_depth)
            if has_halves(body):
                raise ValueError("a text holds half of a character")
        except ValueError as problem:
            return Misfit("body", (Flaw(str(problem)[:200], "#"),))
        return self._fits(value, content)

    def _judged(self, read: Callable[[bytes, Content], Any], body: bytes, content: Content) -> Read:
        try:
            return self._fits(read(body, content), content)
        except Unreadable as problem:
            return Misfit("body", (Flaw(str(problem), "#"),))

    def _fits(self, value: Any, content: Content) -> Read:
        unknown: list[Unknown] = []
        if content.fields is not None:
            unknown = unknown_fields(value, content.fields, _ALL_FIELDS) if self._strip else []
            for one in unknown:
                one.holder.pop(one.name, None)
            refused = () if self._strip else unknown_fields(value, content.fields)
            if refused:
                return Misfit("body", tuple(one.flaw for one in refused))
        assert content.schema is not None
        fits = content.schema.fits(value)
        return Body(value, unknown, None if fits else Misfit("body", tuple(content.schema.flaws(value))))


def _text(body: bytes, _content: Content) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Unreadable("the body is not UTF-8") from None


def _form(body: bytes, content: Content) -> Mapping[str, Any]:
    """A form of plain fields (WHATWG URL, application/x-www-form-urlencoded); a field given twice is a list."""
    assert content.schema is not None
    shape = shape_of(content.schema.schema, content.schema.definitions)
    found: dict[str, list[str]] = {}
    for pair in _text(body, content).split("&"):
        name, _, value = pair.partition("=")
        if pair:
            found.setdefault(decoded(name, plus=True), []).append(decoded(value, plus=True))
    return {name: _field(values, shape.fields.get(name)) for name, values in found.items()}


def _field(values: list[str], shape: Shape | None) -> Any:
    if shape is not None and shape.may_be("array"):
        return [typed(one, shape.items) for one in values]
    if len(values) > 1:
        raise Unreadable("a field of the form is given more than once")
    return typed(values[0], shape)

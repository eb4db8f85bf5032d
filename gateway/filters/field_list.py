"""The allow-list of fields: what a document names at each place of a body, and who may send it.

The problem (OWASP API3:2023): `"role": "admin"` goes in because nobody forbade it, `password_hash` comes out because
nobody asked which fields an answer has. `additionalProperties: false` stops both, but documents rarely say it, and it
cannot be said of a schema that is put together by `allOf`. The rule: places of a body are followed beside the schemas
that may describe them, together; a field that none of them names is not known there. `readOnly` fields are not known in
requests, `writeOnly` ones not in answers. Fields are refused or taken out in one walk, linear in the body.

With `oneOf` and `anyOf` a field is known if any of the forms names it; which of them a body must fit, the schema says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from gateway.filters.schema_flaws import MOST, step
from gateway.http.messages import Flaw
from gateway.spec.openapi.terms import in_place

MAX_PLACES: Final = 20_000


class Names(Protocol):
    """A pattern of names."""

    def is_valid(self, instance: Any) -> bool:
        """Whether a name is meant."""


class Place:
    """What is known at one place of a body."""

    __slots__ = ("closed", "forbidden", "items", "named", "others", "patterns")

    def __init__(self) -> None:
        self.named: dict[str, Place | None] = {}
        """What lies below each field; None: nothing to look at there."""
        self.forbidden: frozenset[str] = frozenset()
        self.patterns: list[tuple[Names, Place | None]] = []
        self.others: Place | None = None
        self.items: Place | None = None
        self.closed = False
        """Whether other fields than those named are unknown."""

    def below(self) -> Iterator[Place]:
        """The places that lie below."""
        found = (*self.named.values(), *(one for _, one in self.patterns), self.others, self.items)
        return (one for one in found if one is not None)

    def keep(self, wanted: Callable[[Place | None], Place | None]) -> None:
        """Forget what lies below and is not wanted."""
        self.named = {name: wanted(one) for name, one in self.named.items()}
        self.patterns = [(names, wanted(one)) for names, one in self.patterns]
        self.others, self.items = wanted(self.others), wanted(self.items)


class Unknown(NamedTuple):
    """A field that must not be there."""

    holder: dict[str, Any]
    name: str
    flaw: Flaw


class FieldLists:
    """Makes the allow-lists of a contract's schemas, for one direction.

    Args:
        forbidden: the keyword that forbids a field in this direction, `readOnly` or `writeOnly`.
        strict: whether an object that names fields has no others, unless `additionalProperties` says so.
        closes: whether objects with `additionalProperties: false` are closed here too, so that their fields can be
            taken out; otherwise the schema refuses them.
        names: compiles a pattern of names.
    """

    def __init__(
        self, definitions: Mapping[str, Any], forbidden: str, names: Any, *, strict: bool, closes: bool
    ) -> None:
        self._definitions = definitions
        self._forbidden = forbidden
        self._names = names
        self._strict, self._closes = strict, closes
        self._made: dict[frozenset[int], Place] = {}
        self._kept: list[Any] = []

    def of(self, schema: Any) -> Place | None:
        """The allow-list of a body; None if it has nothing to say.

        Raises:
            ValueError: the schemas make too many different places.
        """
        top = self._place([schema])
        return None if top is None else _pruned(top)

    def _place(self, schemas: list[Any]) -> Place | None:
        together = [one for schema in schemas for one in in_place(schema, self._definitions)]
        if not together:
            return None
        key = frozenset(map(id, together))
        if key in self._made:
            return self._made[key]
        if len(self._made) == MAX_PLACES:
            raise ValueError("its schemas overlap in too many ways to be followed")
        self._kept.append(together)  # an id stays what it is as long as its object lives
        place = self._made[key] = Place()
        self._fill(place, together)
        return place

    def _fill(self, place: Place, together: list[dict[str, Any]]) -> None:
        below: dict[str, list[Any]] = {}
        for one in together:
            for name, schema in one.get("properties", {}).items():
                below.setdefault(name, []).append(schema)
        place.forbidden = frozenset(name for name, schemas in below.items() if any(map(self._is_forbidden, schemas)))
        place.named = {name: self._place(schemas) for name, schemas in below.items()}
        patterns = [pair for one in together for pair in one.get("patternProperties", {}).items()]
        place.patterns = [(self._names(pattern), self._place([schema])) for pattern, schema in patterns]
        others = [one["additionalProperties"] for one in together if "additionalProperties" in one]
        others += [one["unevaluatedProperties"] for one in together if "unevaluatedProperties" in one]
        opened = [one for one in others if one is not False]
        place.others = self._place(opened) if opened else None
        says = bool(below or patterns)
        place.closed = not opened and ((self._strict and says) or (self._closes and bool(others)))
        items = [one["items"] for one in together if "items" in one]
        items += [part for one in together for part in one.get("prefixItems", ())]
        place.items = self._place(items) if items else None

    def _is_forbidden(self, schema: Any) -> bool:
        return any(one.get(self._forbidden) is True for one in in_place(schema, self._definitions))


def _pruned(top: Place) -> Place | None:
    """Without the places at and below which nothing is closed or forbidden."""
    places = {id(top): top}
    left = [top]
    while left:
        for one in left.pop().below():
            if id(one) not in places:
                places[id(one)] = one
                left.append(one)
    matters = {key for key, one in places.items() if one.closed or one.forbidden}
    while more := {key for key, one in places.items() if key not in matters and _leads(one, matters)}:
        matters |= more
    for one in places.values():
        one.keep(lambda below: below if id(below) in matters else None)
    return top if id(top) in matters else None


def _leads(place: Place, matters: set[int]) -> bool:
    return any(id(one) in matters for one in place.below())


Way = tuple[Any, str | int] | None
"""The way to a value, last part first: only what is refused is worth a pointer."""


def unknown_fields(value: Any, place: Place | None, most: int = MOST) -> list[Unknown]:
    """The fields of a body that must not be there, at most so many."""
    found: list[Unknown] = []
    _walk(value, place, None, found, most)
    return found


def _walk(value: Any, place: Place | None, way: Way, found: list[Unknown], most: int) -> None:
    if place is None or len(found) >= most:
        return
    if isinstance(value, list):
        if place.items is not None:
            for index, one in enumerate(value):
                _walk(one, place.items, (way, index), found, most)
    elif isinstance(value, dict):
        for name, one in value.items():
            if name in place.forbidden:
                found.append(Unknown(value, name, Flaw("is for the other direction only", _at(way, name))))
            elif name in place.named:
                below = place.named[name]
                if below is not None:
                    _walk(one, below, (way, name), found, most)
            else:
                _other(value, name, place, way, found, most)


def _other(value: dict[str, Any], name: str, place: Place, way: Way, found: list[Unknown], most: int) -> None:
    for names, below in place.patterns:
        if names.is_valid(name):
            _walk(value[name], below, (way, name), found, most)
            return
    if place.closed:
        found.append(Unknown(value, name, Flaw("there is no such field", _at(way, name))))
    else:
        _walk(value[name], place.others, (way, name), found, most)


def _at(way: Way, name: str) -> str:
    parts: list[str | int] = [name]
    while way is not None:
        way, part = way
        parts.append(part)
    pointer = "#"
    for one in reversed(parts):
        pointer = step(pointer, one)
    return pointer

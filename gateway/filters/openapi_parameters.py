"""Parameters of a request as a document describes them: found, split by their style, and typed.

The problem: `?ids=1,2`, `?ids=1&ids=2`, `?ids[0]=1` and `?ids=1|2` may or may not mean the same, and a value in an
address is text whatever the schema calls it. The rule: the style that the document says (OpenAPI 3.1.1 section
4.8.12.3; RFC 6570) and no other; a value of one is given once; a text becomes a number or a boolean only if the schema
asks for one and it is spelled as JSON spells it. What might be read in two ways is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from gateway.filters.openapi_values import Shape, Unreadable, decoded, shape_of, typed
from gateway.filters.schema_engine import Schema
from gateway.filters.strict_json import read_json
from gateway.http.messages import Request

_NO_TEXTS: Final = frozenset(("integer", "number", "boolean"))
_DELIMITERS: Final = {
    "form": ",",
    "simple": ",",
    "spaceDelimited": " ",
    "pipeDelimited": "|",
    "label": ".",
    "matrix": ",",
}


class Absent:
    """What a parameter is that was not sent."""


ABSENT: Final = Absent()


class Sent:
    """Everything in a request's head that may be a parameter, taken apart when somebody asks."""

    def __init__(self, request: Request, path: Mapping[str, str]) -> None:
        self.request = request
        self.path = path
        self.query: dict[str, list[str]] = {}
        """Values as they came, by decoded name."""
        self.unreadable = ""
        """What is wrong with the query as a whole."""
        if request.query:
            self._split(request.query)

    def _split(self, query: str) -> None:
        for pair in query.split("&"):
            if pair:
                name, _, value = pair.partition("=")
                try:
                    self.query.setdefault(decoded(name, plus=True), []).append(value)
                except Unreadable as problem:
                    self.unreadable = f"a name in it {problem}"

    def cookies(self, name: str) -> list[str]:
        """Every cookie of this name (RFC 6265 section 5.4)."""
        pairs = (pair.strip() for field in self.request.all(b"cookie") for pair in field.decode("latin-1").split(";"))
        return [pair.partition("=")[2] for pair in pairs if pair.partition("=")[0] == name]

    def headers(self, name: str) -> list[str]:
        """Every line of this header field."""
        return [value.decode("latin-1").strip() for value in self.request.all(name.encode("latin-1", "replace"))]


class Parameter:
    """One parameter of an operation."""

    def __init__(self, told: Mapping[str, Any], schema: Schema, definitions: Mapping[str, Any]) -> None:
        self.name: str = told["name"]
        self.where: str = told["in"]
        self.required: bool = told["required"]
        self.schema = schema
        self._style: str = told["style"]
        self._explode: bool = told["explode"]
        self._empty: bool = told["empty"]
        self._shape = shape_of(schema.schema, definitions)
        self._plus = self.where == "query"
        self._spread = self._style == "form" and self._explode and self._shape.may_be("object")
        """Whether its fields stand in the query by themselves."""
        self.names = frozenset(self._shape.fields) if self._spread else frozenset((self.name,))
        """The names under which it may stand in a query."""
        self.prefix = f"{self.name}[" if self._style == "deepObject" else ""
        """Names in a query that begin so are its fields; empty: none do."""

    def __repr__(self) -> str:
        return f"<Parameter {self.name} in {self.where}>"

    def read(self, sent: Sent) -> Any:
        """The value, typed as far as it can be; ABSENT if it was not sent.

        Raises:
            Unreadable: it cannot be read in one way.
        """
        if self.where == "query":
            return self._from_query(sent.query)
        if self.where == "path":
            return self._from_text(sent.path[self.name])
        return self.read_values(sent.headers(self.name) if self.where == "header" else sent.cookies(self.name))

    def read_values(self, values: list[str]) -> Any:
        """The value of a header field or cookie, from its lines."""
        if not values:
            return ABSENT
        if len(values) > 1 and not (self.where == "header" and self._shape.may_be("array")):
            raise Unreadable("is given more than once")
        return self._from_text(",".join(values))

    def _from_query(self, query: Mapping[str, list[str]]) -> Any:
        if self._style == "deepObject":
            return self._deep(query)
        if self._spread:
            found = {name: self._one(query[name]) for name in self.names if name in query}
            return {name: typed(text, self._shape.fields[name]) for name, text in found.items()} or ABSENT
        values = query.get(self.name)
        if values is None:
            return ABSENT
        if self._style == "form" and self._explode and self._shape.may_be("array"):
            return [typed(decoded(one, plus=True), self._shape.items) for one in values]
        if len(values) > 1:
            raise Unreadable("is given more than once")
        if self._empty and values == [""]:
            return ABSENT
        return self._from_text(values[0])

    def _one(self, values: list[str]) -> str:
        if len(values) > 1:
            raise Unreadable("has a field that is given more than once")
        return decoded(values[0], plus=True)

    def _deep(self, query: Mapping[str, list[str]]) -> Any:
        found: dict[str, Any] = {}
        for name, values in query.items():
            if name.startswith(self.prefix):
                field = name[len(self.prefix) : -1]
                if not name.endswith("]") or "[" in field or "]" in field:
                    raise Unreadable("has a field that is not spelled name[field]")
                found[field] = typed(self._one(values), self._shape.fields.get(field))
        return found or ABSENT

    def _from_text(self, raw: str) -> Any:
        """The value in one text, percent-encoded where addresses are."""
        encoded = self.where in ("path", "query")
        raw = self._unprefixed(raw)
        if self._style == "json":
            try:
                return read_json(decoded(raw, plus=self._plus).encode() if encoded else raw.encode("latin-1"), 32)
            except ValueError:
                raise Unreadable("is not JSON, or may be read in several ways") from None
        if self._shape.may_be("array"):
            return [typed(one, self._shape.items) for one in self._split(raw, encoded, self._shape.items)]
        if self._shape.may_be("object"):
            return dict(self._pairs(raw, encoded))
        return typed(decoded(raw, plus=self._plus) if encoded else raw, self._shape)

    def _unprefixed(self, raw: str) -> str:
        if self._style == "label":
            if not raw.startswith("."):
                raise Unreadable("begins with a dot (style label)")
            return raw[1:]
        if self._style == "matrix":
            start = f";{self.name}="
            if not raw.startswith(start):
                raise Unreadable("begins with ;name= (style matrix)")
            return raw[len(start) :].replace(f";{self.name}=", ",") if self._explode else raw[len(start) :]
        return raw

    def _split(self, raw: str, encoded: bool, items: Shape | None) -> Iterator[str]:
        """The items of a list. An encoded delimiter is data by RFC 6570, and a delimiter to services that decode first:
        among numbers it can only be the latter, among texts nobody can tell."""
        sign = _DELIMITERS[self._style]
        if self._style in ("label", "matrix") and not self._explode:
            sign = ","
        if not raw:
            return
        if not encoded:
            yield from (one.strip(" \t") for one in raw.split(sign))
            return
        if sign == " " or (items is not None and frozenset() != items.kinds <= _NO_TEXTS):
            yield from decoded(raw, plus=self._plus).split(sign)
            return
        for one in raw.split(sign):
            text = decoded(one, plus=self._plus)
            if sign in text and sign not in one:
                if sign != "|":  # which has no unencoded form that every client sends
                    raise Unreadable(f"holds an encoded {sign!r}, which may be a part of an item or stand between two")
                yield from text.split(sign)
            else:
                yield text

    def _pairs(self, raw: str, encoded: bool) -> Iterator[tuple[str, Any]]:
        """The fields of an object: `a,1,b,2`, or exploded `a=1,b=2`."""
        sign = _DELIMITERS[self._style]
        words = (
            [decoded(one, plus=self._plus) if encoded else one.strip(" \t") for one in raw.split(sign)] if raw else []
        )
        if self._explode:
            words = [part for word in words for part in word.partition("=")[::2]]
        if len(words) % 2:
            raise Unreadable("holds a field without a value")
        names = words[::2]
        if len(set(names)) < len(names):
            raise Unreadable("has a field that is given more than once")
        for name, text in zip(names, words[1::2], strict=True):
            yield name, typed(text, self._shape.fields.get(name))

"""JSON values ↔ elements, by the types of a contract.

The problem: markup that is put together from texts can be broken out of, and what a service answers is not always what
it promised. The rule: a tree is built and a library writes it, so a text cannot become markup; what XML 1.0 cannot
hold is refused with its place; an answer is read only after the contract's schema has said that it is valid, and
anything in it that the types do not name is an error, never dropped.

This module is imported when the first filter is built that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson
from lxml import etree

from gateway.filters.rest_request import Unfit
from gateway.spec.xsd import Complex, Field
from gateway.spec.xsd_simple import Simple

ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
NIL: Final = f"{{{INSTANCE}}}nil"
_WIDEST: Final = 400
"""Digits of a decimal number, zeros included: no double has more."""


class Unreadable(ValueError):
    """An answer does not hold what its types say; for the operator, not for clients."""


def envelope(kind: Field, values: Mapping[str, Any], most: int, deepest: int) -> tuple[etree._Element, etree._Element]:
    """A message with these values: its root, and the element in its Body.

    Raises:
        Unfit: they do not fit; a sentence that names the field.
    """
    namespace = etree.QName(kind.tag).namespace
    prefixes = {"soap": ENVELOPE} | ({"m": namespace} if namespace else {})
    root = etree.Element(f"{{{ENVELOPE}}}Envelope", nsmap=prefixes)
    element = etree.SubElement(etree.SubElement(root, f"{{{ENVELOPE}}}Body"), kind.tag)
    _Writer(most, deepest).fill(element, kind.type, values, "")
    return root, element


class _Writer:
    """Fills elements, so many at most."""

    def __init__(self, most: int, deepest: int) -> None:
        self._left = self._most = most
        self._deepest = deepest

    def fill(self, element: etree._Element, kind: Simple | Complex, value: Any, place: str, level: int = 1) -> None:
        if isinstance(kind, Simple):
            element.text = _text(kind, value, place)
            return
        if not isinstance(value, Mapping):
            raise Unfit(f'"{place}" is an object')
        if level > self._deepest:
            raise Unfit(f'"{place[:100]}" is nested too deeply')
        for name in value:
            if name not in kind.fields:
                raise Unfit(f'"{_join(place, name)[:200]}" is unknown')
        for one in kind.fields.values():
            if one.name in value:
                self._put(element, one, value[one.name], _join(place, one.name), level)
            elif one.required:
                raise Unfit(f'"{_join(place, one.name)}" is missing')

    def _put(self, parent: etree._Element, one: Field, value: Any, place: str, level: int) -> None:
        if one.attribute or one.text:
            assert isinstance(one.type, Simple)
            if one.text:
                parent.text = _text(one.type, value, place)
            else:
                parent.set(one.tag, _text(one.type, value, place))
        elif not one.many:
            self._element(parent, one, value, place, level)
        elif not isinstance(value, list):
            raise Unfit(f'"{place}" is a list')
        else:
            for index, item in enumerate(value):
                self._element(parent, one, item, f"{place}[{index}]", level)

    def _element(self, parent: etree._Element, one: Field, value: Any, place: str, level: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unfit(f"the request has more than {self._most} values")
        element = etree.SubElement(parent, one.tag)
        if value is None:
            if not one.nillable:
                raise Unfit(f'"{place}" is null, which it cannot be')
            element.set(NIL, "true")
        else:
            self.fill(element, one.type, value, place, level + 1)


def _join(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


# -- simple values -------------------------------------------------------------------------------------------


def _text(kind: Simple, value: Any, place: str) -> str:
    """A JSON value as the text of an element.

    Raises:
        Unfit: it has another type, or characters that XML 1.0 has no way to write (section 2.2).
    """
    if kind.item is not None:
        return _list_text(kind.item, value, place)
    text = _WRITERS[kind.json](value, kind)
    if text is None:
        raise Unfit(f'"{place}" is no {kind.json}')
    try:
        etree.Element("x").text = text
    except ValueError:
        raise Unfit(f'"{place}" has a character that XML cannot hold') from None
    return text


def _list_text(item: Simple, value: Any, place: str) -> str:
    if not isinstance(value, list):
        raise Unfit(f'"{place}" is a list')
    texts = [_text(item, one, f"{place}[{index}]") for index, one in enumerate(value)]
    if any(one.split() != [one] for one in texts):
        raise Unfit(f'"{place}" has an item that is empty or has a space, where spaces part the items')
    return " ".join(texts)


def _string(value: Any, _: Simple) -> str | None:
    return value if isinstance(value, str) else None


def _boolean(value: Any, _: Simple) -> str | None:
    return str(value).lower() if isinstance(value, bool) else None


def _integer(value: Any, _: Simple) -> str | None:
    if isinstance(value, Decimal) and value.adjusted() < _WIDEST and value == value.to_integral_value():
        value = int(value)  # 1.0 is an integer in JSON Schema
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any, kind: Simple) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    if kind.name != "decimal":
        return repr(float(value))
    decimal = Decimal(value)
    exponent = decimal.as_tuple().exponent  # 1e-999999 would be a million zeros
    return format(decimal, "f") if isinstance(exponent, int) and abs(exponent) < _WIDEST else None


_WRITERS: Final[Mapping[str, Callable[[Any, Simple], str | None]]] = {
    "string": _string,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
}


def _said(kind: Simple, text: str) -> Any:
    """The JSON value that an element's text says; numbers keep all their digits.

    Raises:
        Unreadable: it says none.
    """
    if kind.item is not None:
        return [_said(kind.item, one) for one in text.split()]
    if kind.json == "string":
        return text if kind.keeps_space else " ".join(text.split())
    text = text.strip()
    if kind.json == "boolean" and text in ("true", "false", "1", "0"):
        return text in ("true", "1")
    try:
        if kind.json == "integer":
            return orjson.Fragment(str(int(text)))
        if kind.name == "decimal":
            return orjson.Fragment(format(Decimal(text), "f"))
        value = float(text)
        if value - value == 0.0:  # neither infinite nor NaN
            return value
    except (ValueError, ArithmeticError):
        pass
    raise Unreadable(f"a value of xs:{kind.name} has no form in JSON")


# -- answers -------------------------------------------------------------------------------------------------


def read_element(element: etree._Element, kind: Simple | Complex) -> Any:
    """What an element says, for orjson.

    Raises:
        Unreadable: it holds something that its type does not name.
    """
    if isinstance(kind, Simple):
        return _said(kind, "".join(map(str, element.itertext())))
    found: dict[str, Any] = {one.name: [] for one in kind.fields.values() if one.many}
    elements = {one.tag: one for one in kind.fields.values() if not one.attribute and not one.text}
    for child in element:
        one = elements.get(str(child.tag))
        if one is None:
            raise Unreadable(f"{child.tag} is not one of the parts of {element.tag}")
        value = None if child.get(NIL) in ("true", "1") else read_element(child, one.type)
        if one.many:
            found[one.name].append(value)
        else:
            found[one.name] = value
    for one in kind.fields.values():
        if one.text and isinstance(one.type, Simple):
            found[one.name] = _said(one.type, element.text or "")
        elif one.attribute and isinstance(one.type, Simple) and element.get(one.tag) is not None:
            found[one.name] = _said(one.type, element.get(one.tag, ""))
    return found

"""Elements of the contract ↔ values of the domain.

The problem: an element's text can come in pieces (`ad<!-- -->min` reads as "ad" when only the first piece is
taken; SAML libraries were broken this way in 2018, CVE-2017-11427). The rule: a value is always the whole text of
its element, after the schema has said that it is nothing but text.
"""

from __future__ import annotations

from typing import Any

from lxml import etree
from pydantic.alias_generators import to_camel, to_snake

from sample_services.profiles.model import Profile
from sample_services.profiles.soap.envelope import build

_NUMBERS = frozenset({"loyalty_points", "version"})


def values(element: etree._Element) -> dict[str, Any]:
    """The child elements of a request that passed the schema, by the domain's field names."""
    fields = {to_snake(etree.QName(child).localname): "".join(map(str, child.itertext())) for child in element}
    return {name: int(text) if name in _NUMBERS else text for name, text in fields.items()}


def profile_element(profile: Profile) -> etree._Element:
    """A profile as the contract's `profile` element; `version` stands last there."""
    fields = profile.model_dump()
    names = ["username", *(name for name in fields if name not in {"username", "version"}), "version"]
    return build("profile", *(build(to_camel(name), str(fields[name])) for name in names))


def answer(operation: str, *children: etree._Element) -> etree._Element:
    """The response element that belongs to an operation."""
    return build(f"{operation}Response", *children)

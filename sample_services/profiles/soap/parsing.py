"""Turn hostile bytes into an element tree, or refuse them.

The problem: XML lets a document define entities (a few hundred bytes that expand to gigabytes: the "billion
laughs"), read files and fetch addresses (XXE), and nest without end. The rule: look before building. A first pass
keeps nothing and stops at the first DOCTYPE, which is where all entities come from, at processing instructions
(SOAP 1.1 section 3 forbids both), and at too much depth; only then is a tree built, by a parser that has every
such feature off as well, so that no single setting carries the defence.
(OWASP XML External Entity Prevention Cheat Sheet; https://lxml.de/FAQ.html#how-do-i-use-lxml-safely)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from lxml import etree

from sample_services.kit.problems import Problem

MAX_BYTES = 65_536
"""A whole message, in bytes; the largest valid one is far below 8 KiB."""
MAX_DEPTH = 32
"""Nested elements; a valid message has five."""


def parse(data: bytes) -> etree._Element:
    """The root element of a UTF-8 document without DTD, processing instructions and comments.

    Raises:
        Problem: 413 `too_large`; 400 `dtd_forbidden`, `processing_instruction_forbidden`, `too_deep`,
            `malformed_xml`.
    """
    if len(data) > MAX_BYTES:
        raise Problem(413, "too_large", f"a message may have at most {MAX_BYTES} bytes")
    try:
        etree.fromstring(data, _parser(_Inspector()))
        return etree.fromstring(data, _parser())
    except etree.XMLSyntaxError as error:
        # Only the place is told: libxml2's text may repeat bytes that no XML document, so no fault, can carry.
        raise Problem(400, "malformed_xml", f"not well-formed at line {error.lineno}") from None


def _parser(target: Any = None) -> etree.XMLParser:
    # The encoding is fixed, so nobody hides a DOCTYPE in UTF-7 or EBCDIC; huge_tree off keeps libxml2's own limits.
    return etree.XMLParser(
        target=target,
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        recover=False,
        remove_comments=True,
    )


class _Inspector:
    """A parser target (https://lxml.de/parsing.html#the-target-parser-interface): events in, nothing kept."""

    def __init__(self) -> None:
        self._depth = 0

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> NoReturn:
        raise Problem(400, "dtd_forbidden", "a SOAP message must not contain a document type declaration")

    def pi(self, target: str, data: str | None) -> NoReturn:
        raise Problem(400, "processing_instruction_forbidden", "a SOAP message must not contain one")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Problem(400, "too_deep", f"elements may be nested {MAX_DEPTH} deep at most")

    def end(self, tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        """Nothing was kept, so there is nothing to return."""

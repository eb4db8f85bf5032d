"""A SOAP 1.1 message, looked through without keeping it.

The problem: XML lets a message define entities (a few hundred bytes that stand for gigabytes), read files and fetch
addresses (XXE), nest without end, and carry thousands of attributes; a parser that builds a tree first has paid
before it can refuse. The rule: events are counted as they come and nothing is kept but a few numbers; the first
DOCTYPE, which is where all entities come from, and the first processing instruction end it (SOAP 1.1 section 3
forbids both). libxml2's own features are off besides, so that no single setting carries the defence.
(OWASP XML External Entity Prevention Cheat Sheet; https://lxml.de/FAQ.html#how-do-i-use-lxml-safely)

This module is imported when the first guard is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from lxml import etree
from lxml.etree import DocumentInvalid

from gateway.spec.guards import SoapGuard

ENVELOPE_NAMESPACE: Final = "http://schemas.xmlsoap.org/soap/envelope/"
ENVELOPE: Final = f"{{{ENVELOPE_NAMESPACE}}}Envelope"
HEADER: Final = f"{{{ENVELOPE_NAMESPACE}}}Header"
BODY: Final = f"{{{ENVELOPE_NAMESPACE}}}Body"
_PIECE: Final = 4_096
_INSTANCE: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
_LOCATIONS: Final = frozenset((f"{_INSTANCE}schemaLocation", f"{_INSTANCE}noNamespaceSchemaLocation"))
"""Where a message says its schema is: some validators fetch it, or believe it over their own."""

__all__ = ["BODY", "DocumentInvalid", "Inspector", "Unacceptable", "content", "inspect"]


class Unacceptable(Exception):
    """What is wrong with a message, as the reason and the sentence that the client gets."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def inspect(message: bytes, limits: SoapGuard) -> Inspector:
    """What a message holds.

    Raises:
        Unacceptable: it is no SOAP 1.1 message, or over a limit; nothing behind that place was parsed.
    """
    inspector = Inspector(limits)
    parser = _parser(inspector)
    try:
        for start in range(0, len(message), _PIECE):
            parser.feed(message[start : start + _PIECE])
        parser.close()
    except etree.XMLSyntaxError as error:
        # Only the place is told: libxml2's text may repeat bytes that no XML document, so no fault, can carry.
        raise Unacceptable("soap_malformed", f"not well-formed XML at line {error.lineno}") from None
    # Undeclared prefixes are no fatal errors to libxml2 (they break no XML 1.0), but nobody knows what they mean.
    broken = [one for one in parser.feed_error_log if one.level >= etree.ErrorLevels.ERROR]
    if broken:
        raise Unacceptable("soap_malformed", f"not well-formed XML at line {broken[0].line}")
    inspector.check_complete()
    return inspector


def content(message: bytes) -> etree._Element:
    """The one element in the body of a message that has passed `inspect`, which bounds this tree."""
    root = etree.fromstring(message, _parser())
    body = next(child for child in root if child.tag == BODY)
    return body[0]


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
        remove_comments=target is None,  # an inspector counts them
    )


class Inspector:
    """A parser target (https://lxml.de/parsing.html#the-target-parser-interface): events in, numbers kept."""

    def __init__(self, limits: SoapGuard) -> None:
        self._limits = limits
        self._path: list[str] = []
        self._text: list[int] = []
        self._parts: list[str] = []
        self.elements = 0
        self.depth = 0
        self.operation = ""
        """The body's element, as `{namespace}name`."""

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> NoReturn:
        """A DTD begins: none of its declarations has been read yet."""
        raise Unacceptable("soap_dtd", "a SOAP message has no document type declaration")

    def pi(self, target: str, data: str | None) -> NoReturn:
        """A processing instruction."""
        raise Unacceptable("soap_processing_instruction", "a SOAP message has no processing instructions")

    def start(self, tag: str, attributes: Mapping[str, str], namespaces: Mapping[str, str]) -> None:
        """An element begins; `namespaces` are those declared on it."""
        limits = self._limits
        self._count()
        self.depth = max(self.depth, len(self._path) + 1)
        if len(self._path) >= limits.max_depth:
            raise Unacceptable("soap_too_deep", f"elements are nested more than {limits.max_depth} deep")
        if len(attributes) + len(namespaces) > limits.max_attributes:
            raise Unacceptable("soap_too_many_attributes", f"an element has more than {limits.max_attributes}")
        if any(len(value) > limits.max_text for value in attributes.values()):
            raise Unacceptable("soap_text_too_long", f"an attribute has more than {limits.max_text} characters")
        if not _LOCATIONS.isdisjoint(attributes.keys()):
            raise Unacceptable("soap_schema_location", "a message does not say where its schema is: the contract does")
        self._place(tag)
        self._path.append(tag)
        self._text.append(0)

    def _count(self) -> None:
        self.elements += 1
        if self.elements > self._limits.max_elements:
            detail = f"more than {self._limits.max_elements} elements and comments"
            raise Unacceptable("soap_too_many_elements", detail)

    def _place(self, tag: str) -> None:
        """An envelope holds an optional header, then a body with exactly one element (SOAP 1.1 section 4)."""
        depth = len(self._path)
        if depth == 0 and tag != ENVELOPE:
            if tag.endswith("}Envelope"):
                raise Unacceptable("soap_version_mismatch", "only SOAP 1.1 is understood here")
            raise Unacceptable("soap_not_an_envelope", "the root of a SOAP message is its envelope")
        if depth == 1:
            if tag != BODY and (tag != HEADER or self._parts):
                raise Unacceptable("soap_not_an_envelope", "an envelope holds an optional Header, then one Body")
            self._parts.append(tag)
        if depth == 2 and self._path[1] == BODY:
            if self.operation:
                raise Unacceptable("soap_not_an_envelope", "the Body holds exactly one element")
            self.operation = tag

    def end(self, tag: str) -> None:
        """An element ends."""
        self._path.pop()
        self._text.pop()

    def data(self, text: str) -> None:
        """A piece of an element's text."""
        self._text[-1] += len(text)
        if self._text[-1] > self._limits.max_text:
            detail = f"an element has more than {self._limits.max_text} characters of text"
            raise Unacceptable("soap_text_too_long", detail)

    def comment(self, text: str) -> None:
        """Nothing to anybody, but it costs like an element."""
        self._count()

    def close(self) -> None:
        """Nothing was kept, so there is nothing to return."""

    def check_complete(self) -> None:
        """Whether there was one body, with an operation."""
        if self._parts.count(BODY) != 1 or not self.operation:
            raise Unacceptable("soap_not_an_envelope", "an envelope has one Body, and the Body holds one element")

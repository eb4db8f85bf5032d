"""What a WSDL 1.1 file says: operations, their SOAPAction, and the types of their messages.

The problem: a contract pulls in other files by address, and a gateway that follows addresses while it reads its
configuration can be made to fetch or to read what it should not. The rule: everything that is imported or included
is a file beside the WSDL, in its folder or below; an address of any other kind is a mistake. Only document/literal
bindings to SOAP 1.1 count (WS-I Basic Profile 1.1, R2705 and R2706): there the body's first element *is* the operation.

lxml is imported when a contract is read: configurations without one do not pay for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml import etree

WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
SOAP: Final = "{http://schemas.xmlsoap.org/wsdl/soap/}"
XSD: Final = "{http://www.w3.org/2001/XMLSchema}"
MAX_FILES: Final = 100
_POINTERS: Final = {
    f"{WSDL}import": "location",
    f"{XSD}import": "schemaLocation",
    f"{XSD}include": "schemaLocation",
    f"{XSD}redefine": "schemaLocation",
}


@dataclass(frozen=True)
class Operation:
    """One operation of a binding."""

    name: str
    action: str
    """What SOAPAction must say, without the quotation marks."""
    element: str
    """The body's first element, as `{namespace}name`."""
    answer: str = ""
    """The element of its answer; empty for one that answers nothing."""
    faults: tuple[str, ...] = ()
    """The elements that the details of its faults may hold."""


@dataclass(frozen=True)
class Contract:
    """A WSDL, read."""

    files: tuple[str, ...]
    operations: Mapping[str, Operation]
    types: Mapping[str, etree.XMLSchema]
    """Per namespace."""
    schemas: tuple[etree._Element, ...] = ()
    """Every xs:schema, wherever it stands."""


def read_contract(file: str, *, with_types: bool = True) -> Contract:
    """The contract in `file`.

    Raises:
        ValueError: it cannot be read or does not say what is needed; a sentence for the one who wrote it.
    """
    files: dict[str, etree._Element] = {}
    _gather(Path(file), Path(file).parent, files)
    roots = [root for root in files.values() if root.tag == f"{WSDL}definitions"]
    if not roots:
        raise ValueError(f"{Path(file).name} is no WSDL 1.1: its root is not wsdl:definitions")
    operations = {one.name: one for one in _operations(roots)}
    if not operations:
        raise ValueError(f"{Path(file).name} has no document/literal binding to SOAP 1.1")
    types = dict(_types(files)) if with_types else {}
    schemas = (one for root in files.values() for one in root.iter(f"{XSD}schema"))
    return Contract(tuple(files), operations, types, tuple(schemas))


def _gather(file: Path, folder: Path, found: dict[str, etree._Element]) -> None:
    """`file` and everything it points to, each once."""
    if str(file) in found:
        return
    if len(found) == MAX_FILES:
        raise ValueError(f"it is made of more than {MAX_FILES} files")
    found[str(file)] = root = _read(file)
    for element in root.iter(*_POINTERS):
        location = element.get(_POINTERS[str(element.tag)])
        if location is None:
            continue  # an import by namespace alone: of a schema in the same file
        target = (file.parent / location).resolve()
        if ":" in location or not target.is_relative_to(folder.resolve()):
            raise ValueError(f"{file.name} imports {location!r}: only files in the folder of the WSDL are read")
        _gather(target, folder, found)


def _read(file: Path) -> etree._Element:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True)
    try:
        return etree.fromstring(file.read_bytes(), parser, base_url=str(file))
    except OSError as error:
        raise ValueError(f"{file.name} cannot be read: {error.strerror}") from None
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{file.name} is not well-formed XML: {error.msg}") from None


def _operations(roots: list[etree._Element]) -> Iterator[Operation]:
    elements = dict(_elements(roots))
    for binding in (one for root in roots for one in root.iter(f"{WSDL}binding")):
        soap = binding.find(f"{SOAP}binding")
        if soap is None:
            continue  # SOAP 1.2 or plain HTTP
        for operation in binding.iterfind(f"{WSDL}operation"):
            name, details = operation.get("name", ""), operation.find(f"{SOAP}operation")
            style = soap.get("style", "document") if details is None else details.get("style", soap.get("style"))
            if name in elements and style in (None, "document"):
                yield Operation(name, "" if details is None else details.get("soapAction", ""), *elements[name])


def _elements(roots: list[etree._Element]) -> Iterator[tuple[str, tuple[str, str, tuple[str, ...]]]]:
    """The name of each operation, and the elements of its request, its answer and its faults."""
    messages = {one.get("name", ""): one for root in roots for one in root.iterfind(f"{WSDL}message")}
    for operation in (one for root in roots for one in root.iterfind(f"{WSDL}portType/{WSDL}operation")):
        asked = _element(operation.find(f"{WSDL}input"), messages)
        if asked:
            answered = _element(operation.find(f"{WSDL}output"), messages)
            faults = (_element(one, messages) for one in operation.iterfind(f"{WSDL}fault"))
            yield operation.get("name", ""), (asked, answered, tuple(one for one in faults if one))


def _element(told: etree._Element | None, messages: Mapping[str, etree._Element]) -> str:
    """The element of the message that an input, output or fault names; empty where there is none."""
    message = None if told is None else messages.get(told.get("message", "").rpartition(":")[2])
    part = None if message is None else message.find(f"{WSDL}part[@element]")
    return "" if part is None else qualified(part, part.get("element", ""))


def qualified(node: etree._Element, name: str) -> str:
    """A name with a prefix, as `{namespace}name`, by the prefixes declared around `node`."""
    prefix, _, local = name.rpartition(":")
    namespace = node.nsmap.get(prefix or None, "")
    return f"{{{namespace}}}{local}" if namespace else local


def _types(files: Mapping[str, etree._Element]) -> Iterator[tuple[str, etree.XMLSchema]]:
    """A validator for each schema that stands in a wsdl:types."""
    from lxml import etree

    for file, root in files.items():
        for schema in root.iterfind(f"{WSDL}types/{XSD}schema"):
            # Written and read anew: so it is a document of its own that keeps the prefixes declared around it.
            alone = etree.fromstring(etree.tostring(schema), base_url=file)
            try:
                yield schema.get("targetNamespace", ""), etree.XMLSchema(alone)
            except etree.XMLSchemaParseError as error:
                raise ValueError(f"the types in {Path(file).name} are not valid: {error}") from None

"""The envelope: what is inside a request, and how answers and faults are wrapped.

The problem: SOAP says much through small marks (a namespace is the version, an attribute makes a header
mandatory) and a service that overlooks them does something else than the client asked. The rule: a mark that is
not understood is refused with the fault code SOAP 1.1 has for it (section 4.4.1).
"""

from __future__ import annotations

from lxml import etree

from sample_services.kit.problems import Problem
from sample_services.profiles.soap.contract import NAMESPACE

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_NEXT = "http://schemas.xmlsoap.org/soap/actor/next"

_PREFIXES = {"soap": SOAP, "p": NAMESPACE}


def build(name: str, *content: etree._Element | str, namespace: str | None = NAMESPACE) -> etree._Element:
    """An element, of the contract's namespace unless told otherwise, holding these elements and texts.

    Everything that is sent is built by this: a tree cannot be not well-formed, and text cannot become markup.
    """
    tag = name if namespace is None else f"{{{namespace}}}{name}"
    element = etree.Element(tag, nsmap=_PREFIXES)
    for part in content:
        if isinstance(part, str):
            element.text = part
        else:
            element.append(part)
    return element


def content(root: etree._Element) -> etree._Element:
    """The one element in the body of a request.

    Raises:
        Problem: 400 `soap_version_mismatch`, `header_not_understood` or `not_an_envelope`.
    """
    name = etree.QName(root)
    if name.localname == "Envelope" and name.namespace != SOAP:
        raise Problem(400, "soap_version_mismatch", "this service speaks SOAP 1.1")
    children = list(root)
    if children and children[0].tag == f"{{{SOAP}}}Header":
        _understand(children.pop(0))
    if name.localname != "Envelope" or [child.tag for child in children] != [f"{{{SOAP}}}Body"]:
        raise Problem(400, "not_an_envelope", "expected soap:Envelope with an optional Header and a Body")
    if len(children[0]) != 1:
        raise Problem(400, "not_an_envelope", "the Body must contain exactly one element")
    return children[0][0]


def _understand(header: etree._Element) -> None:
    """No header block has a meaning here, so a mandatory one for us cannot be obeyed (SOAP 1.1 section 4.2.3)."""
    for block in header:
        mandatory = block.get(f"{{{SOAP}}}mustUnderstand") in {"1", "true"}
        if mandatory and block.get(f"{{{SOAP}}}actor", _NEXT) == _NEXT:
            raise Problem(400, "header_not_understood", "no mandatory SOAP header is understood here")


def wrap(element: etree._Element) -> bytes:
    """An envelope around an answer or a fault, as bytes of UTF-8."""
    envelope = build("Envelope", build("Body", element, namespace=SOAP), namespace=SOAP)
    etree.cleanup_namespaces(envelope, keep_ns_prefixes=["soap"])
    return etree.tostring(envelope, xml_declaration=True, encoding="UTF-8")


def fault(status: int, reason: str, text: str, trace_id: str) -> etree._Element:
    """A fault; `text` is for people, the detail's `reason` is the stable code for programs."""
    problem = build("problem", build("status", str(status)), build("reason", reason), build("traceId", trace_id))
    return build(
        "Fault",
        build("faultcode", f"soap:{_code(status, reason)}", namespace=None),  # its children have no namespace
        build("faultstring", text, namespace=None),
        build("detail", problem, namespace=None),
        namespace=SOAP,
    )


def _code(status: int, reason: str) -> str:
    """SOAP 1.1 section 4.4.1 knows four: two for the envelope, and whose fault it was otherwise."""
    envelope = {"soap_version_mismatch": "VersionMismatch", "header_not_understood": "MustUnderstand"}
    return envelope.get(reason, "Client" if status < 500 else "Server")

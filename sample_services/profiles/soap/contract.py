"""The published contract: WSDL 1.1 with the XSD types inside, and the checks made with it.

The problem: a contract that is only published drifts away from the code. The rule: the two files beside this one
are the only source. What clients download, which SOAPAction belongs to which element, and how requests are
validated all come from them.
"""

from __future__ import annotations

from importlib.resources import files

from lxml import etree

from sample_services.kit.problems import Problem

NAMESPACE = "https://profiles.shop.example/v1"
WSDL = "http://schemas.xmlsoap.org/wsdl/"
WSDL_SOAP = "http://schemas.xmlsoap.org/wsdl/soap/"


class Contract:
    """The contract as served at one public address (an absolute URL, without a final slash)."""

    def __init__(self, public_url: str) -> None:
        schema, wsdl = _load("profiles.xsd"), _load("profiles.wsdl")
        self._schema = etree.XMLSchema(schema)
        _find(wsdl, "types", WSDL).append(schema)
        _find(wsdl, "address", WSDL_SOAP).set("location", f"{public_url}/profiles/soap")
        self.wsdl: bytes = etree.tostring(wsdl, xml_declaration=True, encoding="UTF-8", pretty_print=True)
        binding = _find(wsdl, "binding", WSDL)
        self.actions = {
            operation.get("name", ""): _find(operation, "operation", WSDL_SOAP).get("soapAction", "")
            for operation in binding.iterfind(f"{{{WSDL}}}operation")
        }

    def operation(self, element: etree._Element, soap_action: str | None) -> str:
        """The operation that the body's element asks for; document/literal: the element's name is the operation.

        WS-I Basic Profile 1.1 (R1109, R2744, R2745): SOAPAction is a quoted string, equal to the binding's. One
        that disagrees is refused: firewalls and gateways decide by the header, services by the body, and the gap
        between them is an old way around access rules.

        Raises:
            Problem: 400 `unknown_operation`, `soap_action_missing` or `soap_action_mismatch`.
        """
        name = etree.QName(element)
        if name.namespace != NAMESPACE or name.localname not in self.actions:
            raise Problem(400, "unknown_operation", f"the body must be one of: {', '.join(self.actions)}")
        expected = self.actions[name.localname]
        if soap_action is None:
            raise Problem(400, "soap_action_missing", f'SOAP 1.1 over HTTP needs SOAPAction: "{expected}"')
        if soap_action != f'"{expected}"':
            raise Problem(400, "soap_action_mismatch", f'the body asks for SOAPAction: "{expected}"')
        return name.localname

    def check(self, element: etree._Element) -> None:
        """Compare a request or an answer with the schema.

        Raises:
            Problem: 422 `invalid_body`, with what libxml2 says about the first difference.
        """
        try:
            self._schema.assertValid(element)
        except etree.DocumentInvalid as error:
            text = str(error).replace(f"{{{NAMESPACE}}}", "")[:300]
            raise Problem(422, "invalid_body", text) from None


def _load(name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_blank_text=True)
    return etree.fromstring(files(__package__).joinpath(name).read_bytes(), parser)


def _find(parent: etree._Element, name: str, namespace: str) -> etree._Element:
    found = parent.find(f".//{{{namespace}}}{name}")
    if found is None:
        raise ValueError(f"profiles.wsdl has no {name}")
    return found

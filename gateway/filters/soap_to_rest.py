"""SoapToRest: operations of a SOAP service, offered as REST with JSON.

The problem: a service speaks SOAP, its new clients speak REST; a gateway that puts XML together from their texts, or
passes on what the service said in its XML, opens both sides. The rule: the contract (WSDL) says what every operation
takes and answers. A request becomes a tree by its types, is held against them before it goes out, and is written by a
library; an answer is looked through within limits (`soap_message`), held against the types, and only then read.
(SOAP 1.1 sections 4 and 6; WS-I Basic Profile 1.1.)
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from gateway.filters.base import Build
from gateway.filters.mediation import COMPLETE, BadAnswer, MediationFilter, Refusal
from gateway.filters.rest_request import Unfit
from gateway.http.messages import Headers, Reply, Response
from gateway.spec.guards import SoapGuard
from gateway.spec.mediation import FaultRule, SoapToRest
from gateway.spec.rest_offer import Offer
from gateway.spec.soap_offer import SoapOperation

if TYPE_CHECKING:
    from lxml import etree

_XML: Final = re.compile(rb'text/xml(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_LONGEST: Final = 300


class SoapToRestFilter(MediationFilter[SoapToRest]):
    """JSON in, XML out, and back."""

    Spec = SoapToRest
    bad_answer = Reply(502, "soap_answer_invalid", "the service's answer is not what its contract says")

    def __init__(self, spec: SoapToRest, build: Build) -> None:
        super().__init__(spec, build)
        # Not at the top: lxml takes 4 MiB, which only gateways with such a filter should pay.
        from lxml import etree

        from gateway.filters import soap_message, soap_values

        self._etree, self._messages, self._values = etree, soap_message, soap_values
        self._limits = SoapGuard(
            max_bytes=min(spec.max_answer_bytes, 1_048_576),
            max_depth=spec.max_depth,
            max_elements=spec.max_elements,
            max_text=spec.max_text,
        )

    def message(self, offer: Offer, inputs: dict[str, Any]) -> tuple[bytes, Headers]:
        """An envelope with the operation's element."""
        behind: SoapOperation = offer.behind
        root, element = self._values.envelope(behind.request, inputs, self.spec.max_elements, self.spec.max_depth)
        problem = self._misfit(behind, element)
        if problem:
            raise Unfit(problem)
        fields = (
            (b"content-type", b"text/xml; charset=utf-8"),
            (b"soapaction", f'"{behind.operation.action}"'.encode()),
            (b"accept", b"text/xml"),
        )
        return self._etree.tostring(root, xml_declaration=True, encoding="UTF-8"), fields

    def _misfit(self, behind: SoapOperation, element: etree._Element) -> str:
        """What an element has that its type does not allow; empty when it is valid."""
        namespace = self._etree.QName(element).namespace or ""
        schema = behind.contract.types.get(namespace)
        if schema is None:
            return "the contract has no types for this element"
        try:
            schema.assertValid(element)
        except self._messages.DocumentInvalid as error:
            return str(error).replace(f"{{{namespace}}}", "")[:_LONGEST]
        return ""

    # -- the answer ------------------------------------------------------------------------------------------

    def read_answer(self, offer: Offer, response: Response, body: bytes) -> Any:
        """The answer's element as JSON, or what became of a fault."""
        if not _XML.fullmatch(response.fields.get(b"content-type", b"")):
            raise BadAnswer("it is not text/xml in UTF-8")
        try:
            self._messages.inspect(body, self._limits)
            element = self._messages.content(body)
        except self._messages.Unacceptable as problem:
            raise BadAnswer(f"{problem.reason}: {problem.detail}") from None
        if element.tag == f"{{{self._values.ENVELOPE}}}Fault":
            return self._fault(offer.behind, response, element)
        return self._content(offer.behind, response, element)

    def _content(self, behind: SoapOperation, response: Response, element: etree._Element) -> Any:
        if response.status not in COMPLETE:
            raise BadAnswer(f"status {response.status}, and no fault")
        if element.tag != behind.answer.tag:
            raise BadAnswer(f"{element.tag} is not the answer to {behind.operation.name}")
        problem = self._misfit(behind, element)
        if problem:
            raise BadAnswer(_without_values(problem))
        try:
            return self._values.read_element(element, behind.answer.type)
        except self._values.Unreadable as error:
            raise BadAnswer(str(error)) from None

    # -- faults ----------------------------------------------------------------------------------------------

    def _fault(self, behind: SoapOperation, response: Response, fault: etree._Element) -> Refusal:
        code = (fault.findtext("faultcode") or "").strip().rpartition(":")[2]
        detail = self._detail(behind, fault)
        for rule in self.spec.faults:
            if _fits(rule, code, detail, self._etree):
                return self._by_rule(rule, fault, detail)
        if code.partition(".")[0] != "Client":
            return Refusal(502, "soap_fault")
        return Refusal(response.status if 400 <= response.status < 500 else 400, "soap_fault")

    def _detail(self, behind: SoapOperation, fault: etree._Element) -> etree._Element | None:
        """What the fault's detail holds, if the contract declares it for this operation and its types allow it."""
        holder = fault.find("detail")
        if holder is None or len(holder) != 1 or holder[0].tag not in behind.operation.faults:
            return None
        return None if self._misfit(behind, holder[0]) else holder[0]

    def _by_rule(self, rule: FaultRule, fault: etree._Element, detail: etree._Element | None) -> Refusal:
        status = rule.status
        if status is None:
            said = _part(detail, rule.status_from)
            status = int(said) if re.fullmatch(r"[45][0-9][0-9]", said) else 502
        said = _part(detail, rule.reason_from)
        reason = said if _CODE.fullmatch(said) else "soap_fault"
        text = " ".join((fault.findtext("faultstring") or "").split())
        return Refusal(status, reason, text[:_LONGEST] if rule.show_text else "")


def _without_values(message: str) -> str:
    """What libxml2 says of an element, without the value that it quotes: explanations hold nothing of bodies."""
    element, colon, rest = message.partition("': ")
    return element + colon + re.sub(r"'.*'(?= (is|has)\b)", "its value", rest, flags=re.DOTALL)


def _fits(rule: FaultRule, code: str, detail: etree._Element | None, etree: Any) -> bool:
    if rule.code is not None and code != rule.code and not code.startswith(f"{rule.code}."):
        return False
    return rule.detail is None or (detail is not None and etree.QName(detail).localname == rule.detail)


def _part(detail: etree._Element | None, name: str | None) -> str:
    """The text of a part of the detail element, whatever its namespace; empty when there is none."""
    found = detail.find(f"{{*}}{name}") if detail is not None and name is not None else None
    return "".join(map(str, found.itertext())).strip() if found is not None else ""

"""SoapGuard: SOAP messages are read before the service reads them (OWASP XML Security Cheat Sheet).

The problem: one address and one method carry every operation of a service, so a route cannot tell reading from
deleting; the header that names the operation (SOAPAction) is only the client's word, and services go by the body.
The rule: what the message is stands in its body. It is looked through within limits, its operation must be one of
the contract's, SOAPAction must agree (SOAP 1.1 section 6.1.1; WS-I Basic Profile 1.1, R2744), the token must allow
this operation, and the element must fit the contract's types; only then does a byte go on.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.scopes import check_scopes
from gateway.http.messages import Reply, Request
from gateway.spec.contract import Contract, Operation, read_contract
from gateway.spec.guards import SoapGuard

_XML: Final = re.compile(rb'text/xml(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
NOT_POST: Final = Reply(405, "soap_not_post", "send the message by POST", ((b"allow", b"POST"),))
NOT_XML: Final = Reply(415, "soap_not_xml", "a SOAP 1.1 message is text/xml, here in UTF-8")


class SoapGuardFilter(Filter[SoapGuard]):
    """Lets pass what is within the limits and fits the contract."""

    Spec = SoapGuard

    def __init__(self, spec: SoapGuard, build: Build) -> None:
        super().__init__(spec, build)
        # Not at the top: lxml takes 4 MiB, which only gateways with a guard should pay.
        from gateway.filters import soap_message

        self._messages = soap_message
        self.body_limit = spec.max_bytes
        self._passed = build.metrics.operations
        self._contract: Contract | None = read_contract(spec.wsdl, with_types=spec.validates) if spec.wsdl else None
        operations = self._contract.operations.values() if self._contract else ()
        self._by_element = {one.element: one for one in operations}
        self._listed = {one.name: one for one in spec.operations}

    def decide(self, request: Request) -> Decision:
        """Pass, or the first thing that is wrong."""
        if request.target_method != "POST":
            return NOT_POST
        if not _XML.fullmatch(request.fields.get(b"content-type", b"")):
            return NOT_XML
        try:
            found = self._messages.inspect(request.body or b"", self.spec)
        except self._messages.Unacceptable as problem:
            return Reply(400, problem.reason, problem.detail)
        if self._contract is None:
            request.operations = (("soap", "_OTHER"),)
            return None
        operation = self._by_element.get(found.operation)
        if operation is None:
            return Reply(
                400, "soap_unknown_operation", f"the Body asks for one of: {', '.join(self._contract.operations)}"
            )
        request.operations = (("soap", operation.name),)
        return self._check_action(request, operation) or self._check_allowed(request, operation) or self._fits(request)

    def _check_action(self, request: Request, operation: Operation) -> Verdict:
        """Whoever decides by the header and whoever decides by the body must see the same operation."""
        actions = request.all(b"soapaction")
        if not actions:
            return Reply(400, "soap_action_missing", f'SOAP 1.1 wants a header field: SOAPAction: "{operation.action}"')
        if actions != [f'"{operation.action}"'.encode()]:
            return Reply(400, "soap_action_mismatch", f'the Body asks for SOAPAction: "{operation.action}"')
        return None

    def _check_allowed(self, request: Request, operation: Operation) -> Verdict:
        listed = self._listed.get(operation.name)
        if listed is None:
            if self.spec.only_listed:
                return Reply(403, "soap_operation_not_allowed", f"{operation.name} is not offered here")
            return None
        return check_scopes(request, listed.scopes, operation.name)

    def _fits(self, request: Request) -> Verdict:
        """Whether the body's element is what the contract's types say."""
        if not self.spec.validates or self._contract is None:
            return None
        element = self._messages.content(request.body or b"")
        namespace = str(element.tag)[1:].partition("}")[0]
        schema = self._contract.types.get(namespace)
        if schema is None:
            return Reply(422, "soap_invalid", "the contract has no types for this element")
        try:
            schema.assertValid(element)
        except self._messages.DocumentInvalid as error:
            return Reply(422, "soap_invalid", str(error).replace(f"{{{namespace}}}", "")[:300])
        return None

    def commit(self, request: Request) -> None:
        """Count what passed."""
        for kind, name in request.operations:
            self._passed.add(request.route.name if request.route else "", kind, name)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What was found, or what is wrong."""
        if reply is not None:
            return reply.detail
        found = self._messages.inspect(request.body or b"", self.spec)
        name = request.operations[0][1] if self._contract else "a message"
        return f"{name}: {found.elements} elements, {found.depth} deep" + ("" if self._contract else "; no contract")

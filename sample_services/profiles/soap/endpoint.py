"""POST and GET on /profiles/soap.

The problem: SOAP 1.1 section 6.2 answers every fault with status 500, so a client's typing error looks like a
broken service to gateways, retries, breakers and alerts. The rule: the fault code says whose fault it was and the
status says the same, 4xx for Client and 5xx for Server. (WS-I Basic Profile 1.1 R1113 and R1114 already ask for
400 and 405 when the message is malformed or not a POST. Clients read the fault, whatever the status.)

Order matters: who calls is checked before any XML is read, so strangers never reach the parser.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import web
from lxml import etree
from pydantic import BaseModel, ValidationError

from sample_services.kit.auth import Claims
from sample_services.kit.observe import ROUTE
from sample_services.kit.problems import Problem
from sample_services.kit.propagation import current_trace_id, current_traceparent
from sample_services.kit.service import Service
from sample_services.profiles import planted
from sample_services.profiles.model import Changes, NewProfile, RecoveryRequest
from sample_services.profiles.operations import Profiles
from sample_services.profiles.soap import envelope, messages, parsing
from sample_services.profiles.soap.contract import Contract
from sample_services.profiles.soap.envelope import build

Values = dict[str, Any]
M = TypeVar("M", bound=BaseModel)
_XML = "text/xml"


class SoapFace:
    """Handlers of the SOAP face."""

    def __init__(self, service: Service, profiles: Profiles) -> None:
        self._auth = service.auth
        self._log = service.log
        self._unexpected = service.metrics.unexpected_errors
        self._weak = service.weak
        self._service = service
        self._profiles = profiles
        self._contract = Contract(service.settings.public_url)
        self._operations: Mapping[str, Callable[[Claims, Values], Awaitable[etree._Element]]] = {
            "CreateProfile": self._create,
            "ReadProfile": self._read,
            "UpdateProfile": self._update,
            "DropProfile": self._drop,
            "RecoverProfile": self._recover,
        }

    def add_routes(self, app: web.Application) -> None:
        """The one address of the SOAP face."""
        app.router.add_route("*", "/profiles/soap", self.handle)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer with the WSDL, a response or a fault; never with an exception."""
        try:
            if request.method == "GET" and any(name.lower() == "wsdl" for name in request.query):
                return _xml(self._contract.wsdl)
            return _xml(envelope.wrap(await self._call(request)))
        except Problem as problem:
            self._log.info("fault", extra={"reason": problem.reason, "status": problem.status})
            return _fault(problem)
        except Exception:
            self._log.exception("unexpected error")
            self._unexpected.inc()
            return _fault(Problem(500, "internal_error", "an unexpected error; the trace id finds it in the log"))

    async def _call(self, request: web.Request) -> etree._Element:
        if request.method != "POST":
            raise Problem(405, "method_not_allowed", "POST a SOAP message, or GET ?wsdl", headers={"Allow": "POST"})
        claims = await self._auth.require(request)
        body = envelope.content(self._parse(await _read(request)))
        if self._weak("leaves-rights-to-the-gateway"):  # LAB: soap-action-spoof
            operation, claims = planted.operation_of(body), planted.allowed_everything(claims)
        else:
            operation = self._contract.operation(body, request.headers.get("SOAPAction"))
        request[ROUTE] = f"/profiles/soap {operation}"  # metrics and traces tell the operations apart
        self._contract.check(body)
        return await self._operations[operation](claims, messages.values(body))

    def _parse(self, data: bytes) -> etree._Element:
        if self._weak("reads-files"):  # LAB: soap-xxe
            return planted.parse_reading_files(data, self._service.settings.data_dir / "canaries")
        if self._weak("expands-entities"):  # LAB: soap-bomb
            return planted.parse_expanding(data)
        return parsing.parse(data)

    async def _create(self, claims: Claims, values: Values) -> etree._Element:
        profile = await self._profiles.create(claims, _valid(NewProfile, values))
        return messages.answer("CreateProfile", messages.profile_element(profile))

    async def _read(self, claims: Claims, values: Values) -> etree._Element:
        profile = await self._profiles.read(claims, values["username"])
        return messages.answer("ReadProfile", messages.profile_element(profile))

    async def _update(self, claims: Claims, values: Values) -> etree._Element:
        username, version = values.pop("username"), values.pop("version")
        profile = await self._profiles.update(claims, username, _valid(Changes, values), version)
        return messages.answer("UpdateProfile", messages.profile_element(profile))

    async def _drop(self, claims: Claims, values: Values) -> etree._Element:
        await self._profiles.drop(claims, values["username"], values.get("version"))
        return messages.answer("DropProfile", build("username", values["username"]))

    async def _recover(self, claims: Claims, values: Values) -> etree._Element:
        username = values.pop("username")
        reason = _valid(RecoveryRequest, values).reason
        if self._weak("recovers-for-anybody"):  # LAB: soap-recover
            db, http = self._service.db, self._service.http
            profile, reset = await planted.recover_at_once(db, http, claims, username)
            return messages.answer("RecoverProfile", messages.profile_element(profile), build("credentialReset", reset))
        profile = await self._profiles.recover(claims, username, reason, current_traceparent())
        return messages.answer("RecoverProfile", messages.profile_element(profile), build("credentialReset", "pending"))


async def _read(request: web.Request) -> bytes:
    """The body of a request in UTF-8, which is read no further than its limit.

    WS-I (R1012) also wants UTF-16; one encoding leaves less to disagree about between a gateway and a service.
    """
    if request.content_type != _XML or (request.charset or "utf-8").lower() != "utf-8":
        raise Problem(415, "unsupported_media_type", "SOAP 1.1 is text/xml; this service reads UTF-8")
    data = bytearray()
    async for chunk in request.content.iter_chunked(16_384):
        data += chunk
        if len(data) > parsing.MAX_BYTES:
            break  # parse() refuses it
    return bytes(data)


def _valid(model: type[M], values: Values) -> M:
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise Problem(422, "invalid_body", f"{place}: {first['msg']}" if place else first["msg"]) from None


def _xml(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=body, status=status, content_type=_XML, charset="utf-8", headers=headers)


def _fault(problem: Problem) -> web.Response:
    trace_id = current_trace_id()
    element = envelope.fault(problem.status, problem.reason, problem.detail or problem.reason, trace_id)
    return _xml(envelope.wrap(element), problem.status, {"Cache-Control": "no-store"} | problem.headers)

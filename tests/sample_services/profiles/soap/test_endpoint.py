"""The SOAP face of the real process, driven by zeep from the WSDL it serves, and by hand where zeep is too polite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
import zeep
from lxml import etree
from zeep.helpers import serialize_object
from zeep.transports import Transport

from sample_services.profiles.soap.contract import NAMESPACE, Contract
from sample_services.profiles.soap.envelope import SOAP, build, wrap

Call = Callable[..., Any]
BINDING = f"{{{NAMESPACE}}}ProfilesSoap"
CONTRACT = Contract("http://gateway.example:8088")


connect: Any = zeep.Client
"""zeep has no annotations."""
transport: Any = Transport
serialize: Any = serialize_object


@pytest.fixture
def soap(caller: Call, service: Any) -> Call:
    """`soap("alice")` is zeep's proxy of the service, made from the WSDL, calling with alice's token."""

    def make(subject: str | None = None, role: str = "customer") -> Any:
        session = caller(subject, role)
        client = connect(f"{service.url}/profiles/soap?wsdl", transport=transport(session=session))
        return client.create_service(BINDING, f"{service.url}/profiles/soap")  # the WSDL has the gateway's address

    return make


def _refusal(call: Callable[..., Any], **values: Any) -> tuple[str, str]:
    """The fault's code and the reason in its detail."""
    with pytest.raises(zeep.exceptions.Fault) as caught:
        call(**values)
    fault = caught.value
    CONTRACT.check(fault.detail[0])
    assert len(fault.detail.findtext(f".//{{{NAMESPACE}}}traceId")) == 32
    return fault.code.partition(":")[2], fault.detail.findtext(f".//{{{NAMESPACE}}}reason")


def test_the_wsdl_is_public_and_names_the_gateway(caller: Call) -> None:
    answer = caller().send_to("GET", "/profiles/soap?WSDL")
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    assert b'location="http://gateway.example:8088/profiles/soap"' in answer.content


def test_create_read_update_drop_and_recover(soap: Call) -> None:
    hans, carol = soap("hans"), soap("carol", "support")
    created = hans.CreateProfile(username="hans", fullName="Hans <&> Sample", email="hans@shop.example", country="CH")
    assert (created.fullName, created.country, created.loyaltyPoints, created.version) == (
        "Hans <&> Sample",
        "CH",
        0,
        1,
    )
    assert hans.ReadProfile(username="hans") == created
    updated = hans.UpdateProfile(username="hans", version=1, city="Örlikon")
    assert (updated.city, updated.version, updated.fullName) == ("Örlikon", 2, "Hans <&> Sample")
    assert hans.DropProfile(username="hans", version=2) == "hans"
    assert _refusal(hans.ReadProfile, username="hans") == ("Client", "profile_dropped")
    recovered = carol.RecoverProfile(username="hans", reason="dropped by mistake")
    assert (recovered.credentialReset, recovered.profile.version) == ("pending", 4)
    assert serialize(hans.ReadProfile(username="hans")) == serialize(recovered.profile)


def test_both_faces_show_the_same_record(soap: Call, caller: Call) -> None:
    by_rest = caller("ines").send_to("GET", "/profiles/ines").json()
    by_soap = serialize(soap("ines").ReadProfile(username="ines"))
    assert list(by_soap.values()) == list({"username": "", **by_rest}.values())


def test_every_refusal_of_the_domain_is_a_client_fault(soap: Call) -> None:
    alice, carol = soap("alice"), soap("carol", "support")
    new = {"username": "alice", "fullName": "Alice", "email": "a@shop.example"}
    assert _refusal(alice.ReadProfile, username="bob") == ("Client", "not_owner")
    assert _refusal(alice.RecoverProfile, username="alice") == ("Client", "insufficient_scope")
    assert _refusal(alice.CreateProfile, **new) == ("Client", "profile_exists")
    assert _refusal(alice.CreateProfile, **{**new, "loyaltyPoints": 5}) == ("Client", "field_not_allowed")
    assert _refusal(alice.UpdateProfile, username="alice", version=9, city="x") == ("Client", "version_conflict")
    assert _refusal(alice.UpdateProfile, username="alice", version=1) == ("Client", "invalid_body")
    assert _refusal(alice.DropProfile, username="alice", version=9) == ("Client", "version_conflict")
    assert _refusal(carol.ReadProfile, username="nobody") == ("Client", "profile_not_found")
    assert _refusal(carol.RecoverProfile, username="alice") == ("Client", "profile_not_dropped")
    assert _refusal(soap().ReadProfile, username="alice") == ("Client", "token_missing")


def _message(operation: str, **values: str) -> bytes:
    return wrap(build(operation, *(build(name, value) for name, value in values.items())))


def _send(session: Any, body: bytes, **headers: str) -> tuple[requests.Response, str]:
    """The answer and the reason in its fault, which must be valid."""
    sent = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{NAMESPACE}/ReadProfile"', **headers}
    answer: requests.Response = session.send_to("POST", "/profiles/soap", data=body, headers=sent)
    assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
    content = etree.fromstring(answer.content)[0][0]
    if content.tag != f"{{{SOAP}}}Fault":
        CONTRACT.check(content)
        return answer, ""
    detail = content.find("detail")
    assert detail is not None
    CONTRACT.check(detail[0])
    assert int(content.findtext(f".//{{{NAMESPACE}}}status") or 0) == answer.status_code
    return answer, content.findtext(f".//{{{NAMESPACE}}}reason") or ""


READ = _message("ReadProfile", username="alice")


def test_a_plain_message_is_answered(caller: Call) -> None:
    answer, _ = _send(caller("alice"), READ)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<not xml", 400, "malformed_xml"),
        (b"", 400, "malformed_xml"),
        (b"\xff\xfe\x00", 400, "malformed_xml"),
        (READ.replace(b"?>", b'?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>', 1), 400, "dtd_forbidden"),
        (b"<a>" * 5_000, 400, "too_deep"),
        (b"<a>" + b"x" * 70_000, 413, "too_large"),
        (b"<a>" + b"x" * 2_000_000, 413, "too_large"),
        (b"<html/>", 400, "not_an_envelope"),
        (READ.replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"), 400, "soap_version_mismatch"),
        (_message("DropProfile", username="alice"), 400, "soap_action_mismatch"),
        (_message("Evil"), 400, "unknown_operation"),
        (_message("ReadProfile"), 422, "invalid_body"),
        (_message("ReadProfile", username="A'--"), 422, "invalid_body"),
        (_message("ReadProfile", username="alice", version="1"), 422, "invalid_body"),
    ],
)
def test_bad_messages_are_client_faults(caller: Call, body: bytes, status: int, reason: str) -> None:
    answer, found = _send(caller("alice"), body)
    assert (answer.status_code, found) == (status, reason)
    assert b"soap:Server" not in answer.content
    assert b"root:" not in answer.content


def test_a_mandatory_header_is_refused(caller: Call) -> None:
    envelope = etree.fromstring(READ)
    header = build("Header", build("Transaction", namespace="urn:tx"), namespace=SOAP)
    header[0].set(f"{{{SOAP}}}mustUnderstand", "1")
    envelope.insert(0, header)
    answer, reason = _send(caller("alice"), etree.tostring(envelope))
    assert reason == "header_not_understood"
    assert b"soap:MustUnderstand" in answer.content


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Content-Type": "application/soap+xml"}, 415, "unsupported_media_type"),
        ({"Content-Type": "application/json"}, 415, "unsupported_media_type"),
        ({"Content-Type": "text/xml; charset=utf-7"}, 415, "unsupported_media_type"),
        ({"SOAPAction": '""'}, 400, "soap_action_mismatch"),
        ({"SOAPAction": f'"{NAMESPACE}/DropProfile"'}, 400, "soap_action_mismatch"),
    ],
)
def test_headers_must_fit(caller: Call, headers: dict[str, str], status: int, reason: str) -> None:
    answer, found = _send(caller("alice"), READ, **headers)
    assert (answer.status_code, found) == (status, reason)


def test_strangers_do_not_reach_the_parser(caller: Call) -> None:
    answer, reason = _send(caller(), b"<not xml")
    assert (answer.status_code, reason) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_refused(caller: Call, method: str) -> None:
    answer = caller("alice").send_to(method, "/profiles/soap")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert b"method_not_allowed" in answer.content


def test_operations_are_told_apart_in_the_metrics(caller: Call) -> None:
    _send(caller("alice"), READ)
    metrics = caller().send_to("GET", "/metrics").text
    assert 'http_route="/profiles/soap ReadProfile"' in metrics
    assert "alice" not in metrics

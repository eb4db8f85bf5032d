"""What SoapGuard lets pass, and what it says of the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.soap_guard import SoapGuardFilter
from gateway.filters.soap_message import Unacceptable, content, inspect
from gateway.http.messages import Reply, Request
from gateway.spec.guards import SoapGuard

WSDL = str(Path(__file__).parents[3] / "config" / "profiles.wsdl")
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
SHOP = "https://profiles.shop.example/v1"
READ = f'<ReadProfile xmlns="{SHOP}"><username>alice</username></ReadProfile>'
XSI = "http://www.w3.org/2001/XMLSchema-instance"
XML = "Content-Type: text/xml; charset=utf-8"


def soap(inside: str, before: str = "", header: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{SOAP}">{header}<s:Body>{inside}</s:Body></s:Envelope>'.encode()


def refusal(message: bytes, **limits: int) -> str:
    with pytest.raises(Unacceptable) as caught:
        inspect(message, SoapGuard.model_validate(limits))
    return caught.value.reason


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (soap("<a/>"), ("a", 3, 3)),
        (soap('<x:a xmlns:x="urn:x"><b>text</b></x:a>'), ("{urn:x}a", 4, 4)),
        (soap("<a/>", header="<s:Header><h><i/></h></s:Header>"), ("a", 6, 4)),
        (soap("<a/>", before='<?xml version="1.0" encoding="utf-7"?>'), ("a", 3, 3)),
        (b"\xef\xbb\xbf" + soap("<a/>"), ("a", 3, 3)),
        (soap("<!-- one --><a/>"), ("a", 4, 3)),
    ],
)
def test_what_a_message_holds(message: bytes, expected: tuple[str, int, int]) -> None:
    found = inspect(message, SoapGuard())
    assert (found.operation, found.elements, found.depth) == expected
    assert content(message).tag == found.operation


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "soap_malformed"),
        (b"{}", "soap_malformed"),
        (soap("<a/>")[:-1], "soap_malformed"),
        (soap("<a/>") + b"<b/>", "soap_malformed"),
        (soap("<a>&x;</a>"), "soap_malformed"),
        (soap("<a>&#0;</a>"), "soap_malformed"),
        (soap("<a>\0</a>"), "soap_malformed"),
        (soap("<x:a/>"), "soap_malformed"),
        (soap('<a x:b=""/>'), "soap_malformed"),
        (soap("<a>X</a>").replace(b"X", b"\xff"), "soap_malformed"),
        (soap("<a/>").decode().encode("utf-16"), "soap_malformed"),
        (soap("<a/>", '<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE x+AD4-'), "soap_malformed"),
        (soap("<a/>", "<!DOCTYPE x>"), "soap_dtd"),
        (soap("<a>&x;</a>", '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'), "soap_dtd"),
        (soap("<a/>", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">'), "soap_dtd"),
        (soap("<a/>", '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p"> %p;]>'), "soap_dtd"),
        (soap("<a/>", '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>'), "soap_dtd"),
        (soap("<?php 1 ?><a/>"), "soap_processing_instruction"),
        (soap("<a/>", '<?xml-stylesheet href="http://127.0.0.1:1/"?>'), "soap_processing_instruction"),
        (soap(f'<a xmlns:i="{XSI}" i:schemaLocation="urn:a http://127.0.0.1:1/"/>'), "soap_schema_location"),
        (soap(f'<a><b xmlns:i="{XSI}" i:noNamespaceSchemaLocation="x.xsd"/></a>'), "soap_schema_location"),
        (b"<a/>", "soap_not_an_envelope"),
        (soap(""), "soap_not_an_envelope"),
        (soap("text"), "soap_not_an_envelope"),
        (soap("<a/><b/>"), "soap_not_an_envelope"),
        (soap("<a/>", header="<s:Body><b/></s:Body>"), "soap_not_an_envelope"),
        (soap("<a/>", header="<s:Body/>"), "soap_not_an_envelope"),
        (soap("<a/>", header="<s:Header/><s:Header/>"), "soap_not_an_envelope"),
        (soap("<a/>", header="<other/>"), "soap_not_an_envelope"),
        (soap("<a/>").replace(b"</s:Body>", b"</s:Body><s:Header/>"), "soap_not_an_envelope"),
        (soap("<a/>").replace(b"</s:Body>", b"</s:Body><b/>"), "soap_not_an_envelope"),
        (f'<s:Envelope xmlns:s="{SOAP}"><s:Header><a/></s:Header></s:Envelope>'.encode(), "soap_not_an_envelope"),
        (soap("<a/>").replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope"), "soap_version_mismatch"),
    ],
)
def test_what_is_no_message(message: bytes, reason: str) -> None:
    assert refusal(message) == reason


@pytest.mark.parametrize(
    ("limit", "number", "inside", "reason"),
    [
        ("maxDepth", 4, "<a><b><c/></b></a>", "soap_too_deep"),
        ("maxElements", 5, "<a><b/><b/><b/></a>", "soap_too_many_elements"),
        ("maxElements", 5, "<a><!-- --><!-- --><!-- --></a>", "soap_too_many_elements"),
        ("maxAttributes", 2, '<a a="" b="" c=""/>', "soap_too_many_attributes"),
        ("maxAttributes", 2, '<a xmlns:a="u:a" xmlns:b="u:b" b=""/>', "soap_too_many_attributes"),
        ("maxText", 5, "<a>123<b/>456</a>", "soap_text_too_long"),
        ("maxText", 5, "<a><![CDATA[123456]]></a>", "soap_text_too_long"),
        ("maxText", 5, '<a b="123456"/>', "soap_text_too_long"),
    ],
)
def test_one_less_passes_and_one_more_does_not(limit: str, number: int, inside: str, reason: str) -> None:
    assert refusal(soap(inside), **{limit: number}) == reason
    inspect(soap(inside), SoapGuard.model_validate({limit: number + 1}))


@pytest.mark.parametrize("inside", ["<a>" * 100_000, "<a>" + "<b/>" * 100_000, f"<a>{'x' * 5_000_000}</a>"])
def test_nothing_is_parsed_behind_the_place_that_is_over_a_limit(inside: str) -> None:
    """The rest is not even well-formed: nobody looks."""
    assert refusal(soap(inside) + b"<<<").startswith("soap_t")


Make = Callable[..., SoapGuardFilter]
Post = Callable[..., Request]


@pytest.fixture
def guard(build: Any) -> Make:
    def make(**keys: Any) -> SoapGuardFilter:
        return SoapGuardFilter(SoapGuard.model_validate({"wsdl": WSDL} | keys, by_alias=True), build())

    return make


@pytest.fixture
def post(ask: Any) -> Post:
    def make(inside: str = READ, action: str | None = f'"{SHOP}/ReadProfile"', **claims: Any) -> Request:
        fields = [XML] if action is None else [XML, f"SOAPAction: {action}"]
        request: Request = ask("/soap", *fields, method="POST")
        request.body = soap(inside)
        request.claims = claims or None
        return request

    return make


def said(decision: Any) -> tuple[int, str]:
    assert isinstance(decision, Reply)
    return decision.status, decision.reason


def test_a_common_message_passes(guard: Make, post: Post) -> None:
    one, request = guard(), post()
    assert one.decide(request) is None
    one.commit(request)
    assert one._passed.values == {("", "soap", "ReadProfile"): 1}
    assert one.explain(request, None) == "ReadProfile: 4 elements, 4 deep"


@pytest.mark.parametrize(
    ("method", "content_type", "expected"),
    [
        ("GET", XML, (405, "soap_not_post")),
        ("POST", "X: y", (415, "soap_not_xml")),
        ("POST", "Content-Type: application/json", (415, "soap_not_xml")),
        ("POST", "Content-Type: application/soap+xml", (415, "soap_not_xml")),
        ("POST", "Content-Type: text/xml; charset=utf-7", (415, "soap_not_xml")),
    ],
)
def test_only_post_and_xml(guard: Make, ask: Any, method: str, content_type: str, expected: tuple[int, str]) -> None:
    request = ask("/soap", content_type, method=method)
    request.body = soap(READ)
    assert said(guard().decide(request)) == expected


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (None, "soap_action_missing"),
        (f'"{SHOP}/DropProfile"', "soap_action_mismatch"),
        (f"{SHOP}/ReadProfile", "soap_action_mismatch"),
        ('""', "soap_action_mismatch"),
    ],
)
def test_soap_action_agrees(guard: Make, post: Post, action: str | None, reason: str) -> None:
    assert said(guard().decide(post(action=action))) == (400, reason)


def test_two_soap_actions_are_one_too_many(guard: Make, ask: Any) -> None:
    good = f'SOAPAction: "{SHOP}/ReadProfile"'
    request = ask("/soap", XML, good, good.replace("Read", "Drop"), method="POST")
    request.body = soap(READ)
    assert said(guard().decide(request)) == (400, "soap_action_mismatch")


def test_only_operations_of_the_contract(guard: Make, post: Post) -> None:
    for inside in ("<ReadProfile/>", READ.replace("Read", "Burn"), READ.replace("Profile", "ProfileResponse")):
        assert said(guard().decide(post(inside))) == (400, "soap_unknown_operation")


@pytest.mark.parametrize(
    "inside",
    [
        READ.replace("alice", "../../etc"),
        READ.replace("alice", "<x>alice</x>"),
        READ.replace("</ReadProfile>", "<other/></ReadProfile>"),
        f'<ReadProfile xmlns="{SHOP}"/>',
        READ.replace("<username>", '<username id="1">'),
    ],
)
def test_bodies_fit_the_types(guard: Make, post: Post, inside: str) -> None:
    refused = guard().decide(post(inside))
    assert said(refused) == (422, "soap_invalid")
    assert isinstance(refused, Reply)
    assert SHOP not in refused.detail
    assert guard(validates=False).decide(post(inside)) is None


def test_text_that_a_comment_cuts_is_validated_whole(guard: Make, post: Post) -> None:
    assert guard().decide(post(READ.replace("alice", "al<!-- -->ice"))) is None
    assert said(guard().decide(post(READ.replace("alice", "al<!-- -->!")))) == (422, "soap_invalid")


def test_an_operation_asks_for_its_scopes(guard: Make, post: Post) -> None:
    one = guard(operations=[{"name": "ReadProfile", "scopes": ["profiles:read"]}])
    assert said(one.decide(post())) == (403, "not_authenticated")
    assert said(one.decide(post(sub="a", scope="profiles:reader"))) == (403, "insufficient_scope")
    assert one.decide(post(sub="a", scope="x profiles:read")) is None


def test_what_is_not_listed_can_be_refused(guard: Make, post: Post) -> None:
    one = guard(operations=[{"name": "DropProfile"}], onlyListed=True)
    assert said(one.decide(post())) == (403, "soap_operation_not_allowed")
    assert one.decide(post(READ.replace("Read", "Drop"), f'"{SHOP}/DropProfile"')) is None


def test_without_a_contract_messages_are_measured(guard: Make, post: Post) -> None:
    one, request = guard(wsdl=None), post("<anything/>", action=None)
    assert one.decide(request) is None
    assert request.operations == (("soap", "_OTHER"),)
    assert one.explain(request, None).endswith("no contract")
    assert said(one.decide(post("<a/><b/>"))) == (400, "soap_not_an_envelope")

"""What SoapToRest makes of requests and of answers, good and hostile ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.filters.soap_guard import SoapGuardFilter
from gateway.filters.soap_message import content
from gateway.filters.soap_to_rest import SoapToRestFilter
from gateway.http.messages import Reply, Request, Response
from gateway.spec.guards import SoapGuard
from gateway.spec.mediation import SoapToRest

WSDL = str(Path(__file__).parents[3] / "config" / "profiles.wsdl")
KINDS = str(Path(__file__).parents[1] / "mediation_files" / "kinds.wsdl")
SHOP = "https://profiles.shop.example/v1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
JSON = "Content-Type: application/json"
ONE = "/people/{username}"
OPERATIONS: list[dict[str, Any]] = [
    {"name": "ReadProfile", "method": "GET", "path": ONE, "select": "profile"},
    {"name": "CreateProfile", "method": "POST", "path": "/people", "status": 201, "scopes": ["profiles:write"]},
    {"name": "UpdateProfile", "method": "PATCH", "path": ONE, "query": ["version"], "select": "profile.email"},
    {"name": "DropProfile", "method": "DELETE", "path": ONE, "status": 204},
    {"name": "RecoverProfile", "method": "POST", "path": "/people/{username}/recover"},
]
DETAIL = {"detail": "problem", "statusFrom": "status", "reasonFrom": "reason", "showText": True}

Make = Callable[..., SoapToRestFilter]


@pytest.fixture
def make(build: Any) -> Make:
    def one(authenticated: bool = False, **keys: Any) -> SoapToRestFilter:
        spec = SoapToRest.model_validate(
            {"wsdl": WSDL, "endpoint": "/soap", "openapi": "/people/openapi.json", "operations": OPERATIONS} | keys
        )
        assert list(spec.mistakes()) == []
        return SoapToRestFilter(spec, replace(build(), authenticated=authenticated))

    return one


def said(decision: Any) -> tuple[int, str, str]:
    assert isinstance(decision, Reply), decision
    return decision.status, decision.reason, decision.detail


def element(request: Request) -> Any:
    return content(request.body or b"")


def post(ask: Any, path: str, value: Any, *fields: str, method: str = "POST") -> Request:
    request: Request = ask(path, *(fields or (JSON,)), method=method)
    request.body = value if isinstance(value, bytes) else json.dumps(value).encode()
    request.length = len(request.body)
    return request


# -- requests


def test_a_get_becomes_a_message(make: Make, ask: Any) -> None:
    one = make()
    request = ask("/people/alice", "Accept: application/json, */*;q=0.1", "Range: bytes=0-5", "If-None-Match: x")
    assert one.decide(request) is None
    one.commit(request)
    assert (request.target_method, request.target_path, request.query) == ("POST", "/soap", "")
    assert (request.method, request.path) == ("GET", "/people/alice")
    assert request.all(b"soapaction") == [f'"{SHOP}/ReadProfile"'.encode()]
    assert request.all(b"content-type") == [b"text/xml; charset=utf-8"]
    assert request.all(b"accept") == [b"text/xml"]
    assert request.all(b"range") == []
    assert request.all(b"if-none-match") == [b"x"]
    assert [(child.tag, child.text) for child in element(request)] == [(f"{{{SHOP}}}username", "alice")]
    assert one._counted.values == {("", "rest", "ReadProfile"): 1}
    told = one.explain(request, None)
    assert told.startswith("ReadProfile: takes username from the path; POST /soap with ")


def test_path_query_and_body_meet_in_the_order_of_the_contract(make: Make, ask: Any) -> None:
    request = post(ask, "/people/al-ice?version=3", {"city": "Bern", "email": "a@b"}, method="PATCH")
    assert make().decide(request) is None
    values = [(etree.QName(child).localname, child.text) for child in element(request)]
    assert values == [("username", "al-ice"), ("version", "3"), ("email", "a@b"), ("city", "Bern")]


def test_the_guard_behind_it_sees_the_message(make: Make, ask: Any, build: Any) -> None:
    guard = SoapGuardFilter(SoapGuard(wsdl=WSDL), build())
    request = ask("/people/alice")
    assert guard.decide(ask("/people/alice")) is not None
    assert make().decide(request) is None
    assert guard.decide(request) is None


@pytest.mark.parametrize("city", ["<b>&amp;</b>", "]]>", "</m:city><m:loyaltyPoints>9</m:loyaltyPoints>", "<!--"])
def test_nothing_is_injected(make: Make, ask: Any, city: str) -> None:
    request = post(ask, "/people/alice?version=1", {"city": city}, method="PATCH")
    assert make().decide(request) is None
    assert [etree.QName(child).localname for child in element(request)] == ["username", "version", "city"]
    assert element(request)[2].text == city


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/nowhere", (404, "rest_not_offered")),
        ("GET", "/people/alice/x", (404, "rest_not_offered")),
        ("PUT", "/people/alice", (405, "rest_method_not_offered")),
        ("OPTIONS", "/people", (405, "rest_method_not_offered")),
        ("GET", "/people/%FF", (400, "rest_invalid")),
        ("GET", "/people/ALICE", (400, "rest_invalid")),
        ("GET", "/people/alice?x=1", (400, "rest_invalid")),
        ("DELETE", "/people/alice?version=1&version=2", (400, "rest_invalid")),
        ("DELETE", "/people/alice?version=one", (400, "rest_invalid")),
        ("DELETE", "/people/alice?version=0", (400, "rest_invalid")),
        ("DELETE", "/people/alice?version=%FF", (400, "rest_invalid")),
        ("DELETE", "/people/alice?" + "&".join(["version=1"] * 201), (400, "rest_invalid")),
    ],
)
def test_what_is_not_offered_or_does_not_fit(
    make: Make, ask: Any, method: str, path: str, expected: tuple[int, str]
) -> None:
    assert said(make().decide(ask(path, method=method)))[:2] == expected


def test_405_says_what_is_offered(make: Make, ask: Any) -> None:
    refused = make().decide(ask("/people/alice", method="PUT"))
    assert isinstance(refused, Reply)
    assert dict(refused.headers) == {b"allow": b"DELETE, GET, HEAD, PATCH"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", '"version" is missing'),
        ({"version": 1, "town": "x"}, 'the body has "town", which UpdateProfile does not take'),
        ({"version": 1, "username": "bob"}, 'the body has "username", which UpdateProfile does not take'),
        ({"version": 1, "city": 5}, '"city" is no string'),
        ({"version": 1, "city": None}, '"city" is null, which it cannot be'),
        ({"version": "1"}, '"version" is no integer'),
        ({"version": 1, "city": "\x00"}, '"city" has a character that XML cannot hold'),
        ({"version": 1, "city": "\ud800"}, '"city" has a character that XML cannot hold'),
        ({"version": 1, "\ud800": ""}, 'the body has "?", which UpdateProfile does not take'),
        (b'{"version": 1, "version": 2}', "a member stands twice"),
        (b'{"version": NaN}', "NaN is not JSON"),
        (b'{"version": ' + b"9" * 40 + b"}", "a number has more than 30 digits"),
        (b"[" * 60_000, "the JSON is nested too deeply"),
        (b"[]", "the body is a JSON object"),
        (b"{", "the body is not JSON"),
        (b"\xff", "the body is not UTF-8"),
        ({"version": 1, "email": "no-address"}, "Element 'email'"),
        ({"version": 1, "city": "x" * 121}, "Element 'city'"),
    ],
)
def test_a_body_that_does_not_fit_is_told_by_its_field(make: Make, ask: Any, body: Any, expected: str) -> None:
    operation = {"name": "UpdateProfile", "method": "PATCH", "path": ONE}
    request = post(ask, "/people/alice", body, method="PATCH")
    status, reason, detail = said(make(operations=[operation]).decide(request))
    assert (status, reason) == (400, "rest_invalid")
    assert detail.startswith(expected)
    assert SHOP not in detail


@pytest.mark.parametrize(
    ("accept", "good"),
    [
        ("*/*", True),
        ("application/json", True),
        ("application/*;q=0.5", True),
        ("text/html, application/json;q=0.1", True),
        ("text/html;q=0, */*;q=0.01", True),
        ("", True),
        ("text/xml", False),
        ("application/json;q=0, */*", False),
        ("application/problem+json", False),
        ("*/*;q=0.000", False),
    ],
)
def test_only_who_accepts_json_is_answered(make: Make, ask: Any, accept: str, good: bool) -> None:
    decision = make().decide(ask("/people/alice", f"Accept: {accept}"))
    assert decision is None if good else said(decision)[:2] == (406, "rest_not_acceptable")


def test_bodies_are_json_and_only_where_one_is_taken(make: Make, ask: Any) -> None:
    person = {"username": "dave", "fullName": "Dave", "email": "d@e"}
    one = make(operations=[OPERATIONS[0], {**OPERATIONS[1], "scopes": []}])
    for declared in ("Content-Type: text/plain", "Content-Type: application/json; charset=utf-16", "X: y"):
        assert said(one.decide(post(ask, "/people", person, declared)))[:2] == (415, "rest_not_json")
    assert one.decide(post(ask, "/people", person, 'Content-Type: application/JSON; charset="UTF-8"')) is None
    assert said(one.decide(post(ask, "/people/dave", b"{}", method="GET")))[2] == "ReadProfile takes no body"


def test_a_body_of_which_nothing_is_required_may_be_left_out(make: Make, ask: Any) -> None:
    request = ask("/people/alice/recover", method="POST")
    assert make().decide(request) is None
    assert len(element(request)) == 1


def test_an_operation_asks_for_its_scopes(make: Make, ask: Any) -> None:
    one, person = make(), {"username": "dave", "fullName": "Dave", "email": "d@e"}
    request = post(ask, "/people", person)
    assert said(one.decide(request))[:2] == (403, "not_authenticated")
    request.claims = {"scope": "profiles:read"}
    assert said(one.decide(request))[:2] == (403, "insufficient_scope")
    request.claims = {"scope": "profiles:read profiles:write"}
    assert one.decide(request) is None


def test_literal_paths_go_before_parameters(make: Make, ask: Any) -> None:
    both = [OPERATIONS[0], {"name": "RecoverProfile", "method": "POST", "path": "/people/recover"}]
    assert said(make(operations=both).decide(ask("/people/recover")))[:2] == (405, "rest_method_not_offered")


# -- answers


def answer(status: int, headers: dict[str, str] | None = None) -> Response:
    given = {"content-type": "text/xml; charset=utf-8"} | (headers or {})
    fields = [(name.encode(), value.encode()) for name, value in given.items()]
    return Response(status, fields, dict(fields), 0, True)


def soap(inside: str, before: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{SOAP}" xmlns:p="{SHOP}"><s:Body>{inside}</s:Body></s:Envelope>'.encode()


PROFILE = "<p:username>alice</p:username><p:fullName>A &amp; B</p:fullName><p:email>a@b</p:email>"
GOOD = f"<p:ReadProfileResponse><p:profile>{PROFILE}<p:version>3</p:version></p:profile></p:ReadProfileResponse>"


def fault(code: str = "s:Client", text: str = "secret text", detail: str = "") -> str:
    return f"<s:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring><detail>{detail}</detail></s:Fault>"


PROBLEM = "<p:problem><p:status>{}</p:status><p:reason>{}</p:reason><p:traceId>t</p:traceId></p:problem>"


@pytest.fixture
def asked(make: Make, ask: Any) -> Any:
    def read(**keys: Any) -> tuple[SoapToRestFilter, Request]:
        one, request = make(**keys), ask("/people/alice")
        assert one.decide(request) is None
        return one, request

    return read


def test_an_answer_becomes_json(asked: Any) -> None:
    one, request = asked()
    response = answer(200, {"etag": '"3"', "content-location": "/x", "digest": "y", "cache-control": "max-age=5"})
    assert one.wants_answer(request, response)
    body = one.on_answer(request, response, soap(GOOD))
    assert json.loads(body) == {"username": "alice", "fullName": "A & B", "email": "a@b", "version": 3}
    assert response.status == 200
    assert response.fields == {
        b"etag": b'"3"',
        b"cache-control": b"max-age=5",
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
    }


def test_a_deleted_thing_has_no_body(make: Make, ask: Any) -> None:
    one, request = make(), ask("/people/alice", method="DELETE")
    assert one.decide(request) is None
    response = answer(200)
    inside = "<p:DropProfileResponse><p:username>alice</p:username></p:DropProfileResponse>"
    assert one.on_answer(request, response, soap(inside)) == b""
    assert (response.status, response.fields) == (204, {})


def test_only_mediated_answers_are_read(asked: Any, ask: Any) -> None:
    one, request = asked()
    assert not one.wants_answer(ask("/people/alice"), answer(200))
    assert not one.wants_answer(request, answer(304))


def refusal(asked: tuple[SoapToRestFilter, Request], status: int, inside: str) -> dict[str, Any]:
    one, request = asked
    response = answer(status)
    body = one.on_answer(request, response, soap(inside))
    assert isinstance(body, bytes)
    told: dict[str, Any] = json.loads(body)
    assert told["status"] == response.status
    assert (told["type"], response.fields[b"content-type"]) == ("about:blank", b"application/problem+json")
    assert response.fields[b"cache-control"] == b"no-store"
    return told


@pytest.mark.parametrize(
    ("http", "code", "expected"),
    [
        (500, "s:Client", 400),
        (500, "s:Client.Authentication", 400),
        (404, "s:Client", 404),
        (500, "s:Server", 502),
        (200, "s:Server.Overload", 502),
        (404, "s:Server", 502),
        (500, "s:MustUnderstand", 502),
        (500, "", 502),
    ],
)
def test_a_fault_without_a_rule(asked: Any, http: int, code: str, expected: int) -> None:
    told = refusal(asked(), http, fault(code))
    assert (told["status"], told["reason"]) == (expected, "soap_fault")
    assert "secret" not in told["detail"]


def test_a_fault_by_its_declared_detail(asked: Any) -> None:
    told = refusal(asked(faults=[DETAIL]), 500, fault(text="not\n yours", detail=PROBLEM.format(403, "not_owner")))
    assert (told["status"], told["reason"], told["detail"]) == (403, "not_owner", "not yours")


@pytest.mark.parametrize(
    "detail",
    [
        PROBLEM.replace("p:reason", "p:other").format(403, "not_owner"),
        PROBLEM.format(403, "x") * 2,
        PROBLEM.format("four", "x"),
        '<problem xmlns="urn:another"><status>403</status></problem>',
        "<stack>at com.example.Secret(Secret.java:7)</stack>",
    ],
)
def test_a_detail_that_is_not_the_declared_one_is_none(asked: Any, detail: str) -> None:
    told = refusal(asked(faults=[DETAIL]), 500, fault(detail=detail))
    assert (told["status"], told["reason"]) == (400, "soap_fault")
    assert "secret" not in str(told).lower()


@pytest.mark.parametrize(("status", "reason"), [(200, "x"), (999, "x"), (-1, "x")])
def test_a_status_that_is_none_of_an_error_is_502(asked: Any, status: int, reason: str) -> None:
    told = refusal(asked(faults=[DETAIL]), 500, fault(detail=PROBLEM.format(status, reason)))
    assert told["status"] == 502


def test_a_reason_that_is_no_code_is_left_out(asked: Any) -> None:
    told = refusal(asked(faults=[DETAIL]), 500, fault(detail=PROBLEM.format(409, "&lt;script&gt; at line 7")))
    assert (told["status"], told["reason"]) == (409, "soap_fault")


def test_the_first_rule_that_fits_decides(asked: Any) -> None:
    rules = [{"code": "Client.Authentication", "status": 401}, {"code": "Client", "status": 422, "showText": True}]
    one, request = asked(faults=rules)
    told = refusal((one, request), 500, fault("s:Client.Authentication.Expired"))
    assert (told["status"], told["detail"]) == (401, "the service refused this")
    told = refusal((one, request), 500, fault("x:Client.Other"))
    assert (told["status"], told["detail"]) == (422, "secret text")
    assert refusal((one, request), 500, fault("s:Clientele"))["status"] == 502


HOSTILE = {
    "a DTD": soap(GOOD, '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'),
    "an entity bomb": soap(GOOD, '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>').replace(b"alice", b"&b;"),
    "a processing instruction": soap(GOOD, "<?php x?>"),
    "no XML": b"java.lang.NullPointerException at Secret.java:7",
    "nothing": b"",
    "no envelope": b"<html/>",
    "another operation's answer": soap(GOOD.replace("ReadProfile", "CreateProfile")),
    "the request": soap("<p:ReadProfile><p:username>alice</p:username></p:ReadProfile>"),
    "another namespace": soap(GOOD.replace("p:ReadProfileResponse", "p:ReadProfileResponse xmlns:p='urn:x'", 1)),
    "two answers": soap(GOOD + GOOD),
    "a wrong type": soap(GOOD.replace(">3<", ">three<")),
    "too large a number": soap(GOOD.replace(">3<", ">99999999999<")),
    "an unknown element": soap(GOOD.replace("<p:version>", "<p:secret>x</p:secret><p:version>")),
    "a missing element": soap(GOOD.replace("<p:email>a@b</p:email>", "")),
    "a thousand elements": soap(GOOD.replace("<p:version>", "<p:version/>" * 1_001 + "<p:version>")),
    "endless depth": soap("<p:a>" * 40 + "</p:a>" * 40),
    "a long text": soap(GOOD.replace("alice", "a" * 20_000)),
    "half of it": soap(GOOD)[:-9],
    "another encoding": soap(GOOD, '<?xml version="1.0"?>').decode().encode("utf-16"),
    "a schema location": soap(GOOD.replace("<p:profile>", f"<p:profile xmlns:i='{XSI}' i:schemaLocation='a b'>", 1)),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("status", [200, 500])
def test_hostile_answers_are_502_and_nothing_leaks(asked: Any, body: bytes, status: int) -> None:
    one, request = asked(faults=[DETAIL])
    reply = one.on_answer(request, answer(status), body)
    assert said(reply) == (502, "soap_answer_invalid", "the service's answer is not what its contract says")
    assert reply.headers == ()
    assert len(one.explain(request, reply)) < 400  # for the operator, with the cause
    assert one.explain(request, reply) != reply.detail


def test_explanations_hold_no_values_of_the_answer(asked: Any) -> None:
    one, request = asked()
    for before, after in ((">3<", ">is it' secret<"), ("a@b", "secret' is"), ("alice", "secret!")):
        reply = one.on_answer(request, answer(200), soap(GOOD.replace(before, after)))
        told = one.explain(request, reply)
        assert "secret" not in told
        assert "Element" in told


def test_a_good_answer_under_a_bad_status_is_none(asked: Any) -> None:
    one, request = asked()
    for status in (500, 302, 404):
        assert said(one.on_answer(request, answer(status), soap(GOOD)))[:2] == (502, "soap_answer_invalid")


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/xml; charset=utf-16", ""])
def test_what_is_not_declared_as_xml_is_not_read(asked: Any, content_type: str) -> None:
    one, request = asked()
    reply = one.on_answer(request, answer(200, {"content-type": content_type}), soap(GOOD))
    assert said(reply)[:2] == (502, "soap_answer_invalid")


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_some_statuses_say_enough_by_themselves(asked: Any, status: int) -> None:
    one, request = asked()
    response = answer(status, {"content-type": "text/html", "retry-after": "7", "location": "/x"})
    body = one.on_answer(request, response, b"<h1>secret</h1>")
    assert isinstance(body, bytes)
    told = json.loads(body)
    assert (told["status"], told["reason"]) == (status, "service_refused")
    assert "secret" not in str(told)
    assert response.fields[b"retry-after"] == b"7"
    assert b"location" not in response.fields


def test_an_absent_part_is_404_or_null(make: Make, ask: Any) -> None:
    for absent, expected in (("not_found", 404), ("null", 200)):
        echo = {"name": "Echo", "method": "POST", "path": "/echo", "select": "price", "absent": absent}
        one = make(wsdl=KINDS, operations=[echo], openapi=None)
        request, response = post(ask, "/echo", {"text": "x"}), answer(200)
        assert one.decide(request) is None
        body = one.on_answer(request, response, soap('<EchoAnswer xmlns="urn:kinds"><text/></EchoAnswer>'))
        assert response.status == expected
        assert isinstance(body, bytes)
        assert (json.loads(body) is None) == (absent == "null")


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@example(None)
def test_no_answer_breaks_the_filter(asked: Any, data: Any) -> None:
    """Pieces of markup put anywhere: JSON of the right shape, a problem, or 502; never an exception."""
    one, request = asked(faults=[DETAIL])
    body = soap(GOOD if data is None else data.draw(st.sampled_from([GOOD, fault(detail=PROBLEM.format(403, "x"))])))
    pieces = [
        b"<",
        b"</",
        b"&#0;",
        b"&x;",
        b"]]>",
        b"<!DOCTYPE x [",
        b"\xff",
        b" i:nil='1' ",
        b"<p:version>",
        b"",
        b"9",
    ]
    for _ in range(0 if data is None else data.draw(st.integers(1, 3))):
        place, length = data.draw(st.integers(0, len(body))), data.draw(st.integers(0, 8))
        body = body[:place] + data.draw(st.sampled_from(pieces)) + body[place + length :]
    response = answer(200)
    found = one.on_answer(request, response, body)
    if isinstance(found, Reply):
        assert found.status == 502
    elif response.status == 200:
        assert set(json.loads(found)) >= {"username", "fullName", "email", "version"}
    else:
        assert json.loads(found)["type"] == "about:blank"


# -- the document


def document(one: SoapToRestFilter, ask: Any) -> dict[str, Any]:
    reply = one.decide(ask("/people/openapi.json"))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason) == (200, "")
    said: dict[str, Any] = json.loads(reply.body or b"")
    OpenAPIV31SpecValidator(said).validate()
    return said


def test_the_document_says_what_is_offered(make: Make, ask: Any) -> None:
    told = document(make(authenticated=True), ask)
    assert {(path, method) for path, item in told["paths"].items() for method in item} == {
        (one["path"], one["method"].lower()) for one in OPERATIONS
    }
    create = told["paths"]["/people"]["post"]
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["username", "fullName", "email"]
    assert body["additionalProperties"] is False
    assert body["properties"]["loyaltyPoints"] == {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
    assert create["security"] == [{"token": ["profiles:write"]}]
    assert {"201", "400", "401", "403", "406", "415", "502"} <= set(create["responses"])
    update = told["paths"][ONE]["patch"]
    assert [(one["name"], one["in"], one["required"]) for one in update["parameters"]] == [
        ("username", "path", True),
        ("version", "query", True),
    ]
    answered = update["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered == {"type": "string", "maxLength": 254}
    assert "content" not in told["paths"][ONE]["delete"]["responses"]["204"]
    recover = told["paths"]["/people/{username}/recover"]["post"]
    assert recover["requestBody"]["required"] is False
    assert told["components"]["schemas"]["Profile"]["properties"]["version"]["minimum"] == 1


def test_the_document_of_every_kind_of_type(make: Make, ask: Any) -> None:
    echo = {"name": "Echo", "method": "POST", "path": "/echo"}
    told = document(make(wsdl=KINDS, operations=[echo]), ask)
    node = told["components"]["schemas"]["Node"]["properties"]
    assert node["tag"] == {"type": "array", "items": {"type": "string"}}
    assert node["pair"] == {"type": "array", "items": {"type": ["boolean", "null"]}, "maxItems": 2}
    assert node["maybe"] == {"type": ["string", "null"]}
    assert node["size"]["enum"] == ["small", "very large"]
    assert node["numbers"]["items"]["type"] == "integer"
    assert node["node"] == {"type": "array", "items": {"$ref": "#/components/schemas/Node"}}
    assert told["components"]["schemas"]["Money"]["required"] == ["value", "currency"]
    assert "security" not in told["paths"]["/echo"]["post"]


def test_the_document_is_made_anew_when_the_route_is_protected_now(make: Make, build: Any) -> None:
    one = make(authenticated=True)
    assert one.kept_with(replace(build(), authenticated=True))
    assert not one.kept_with(build())

"""OpenApiValidation in both directions: operations, bodies, answers; what is told of a refusal, and what is counted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.openapi_validation import OpenApiValidationFilter
from gateway.http.messages import Reply
from gateway.roles.replies import render_graphql, render_problem, render_soap
from tests.gateway.filters.openapi_filter import (
    answer,
    asking,
    document,
    errors,
    filter_for,
    post,
    refused,
    request,
    taking,
)  # fmt: skip

USER = {
    "type": "object",
    "required": ["id", "name", "password"],
    "properties": {
        "id": {"type": "integer", "readOnly": True},
        "name": {"type": "string", "maxLength": 10},
        "password": {"type": "string", "writeOnly": True},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
ENFORCED = {"mode": "enforce"}


def decided(one: OpenApiValidationFilter, body: Any, status: int = 200, **more: Any) -> Any:
    """What becomes of an answer."""
    asked = post({}) if "asked" not in more else more["asked"]
    one.decide(asked)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = answer(raw, status, *more.get("fields", ()))
    return one.on_answer(asked, response, raw) if one.wants_answer(asked, response) else "unseen"


# -- operations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "operation"),
    [
        ("/orders", "all"), ("/orders/1", "one"), ("/orders/latest", "latest"), ("/orders/latest/items", "items"),
        ("/orders/1.pdf", "pdf"), ("/orders/.pdf", "one"), ("/orders/", None), ("/order", None), ("/orders/1/2", None),
        ("/v1/orders", None), ("/", None),
    ],
)  # fmt: skip
def test_concrete_paths_go_before_templates(tmp_path: Path, target: str, operation: str | None) -> None:
    def get(name: str, *parameters: str) -> dict[str, Any]:
        told = [{"name": one, "in": "path", "required": True, "schema": {}} for one in parameters]
        return {"get": {"operationId": name, "parameters": told, "responses": {}}}

    paths = {
        "/orders": get("all"), "/orders/{id}": get("one", "id"), "/orders/{id}.pdf": get("pdf", "id"),
        "/orders/latest": get("latest"), "/orders/{id}/items": get("items", "id"),
    }  # fmt: skip
    asked = request(target)
    reply = filter_for(tmp_path, document(paths)).decide(asked)
    if operation is None:
        assert (refused(reply).status, refused(reply).reason) == (404, "operation_undocumented")
    else:
        assert reply is None
        assert asked.operations == (("openapi", operation),)


def test_methods(tmp_path: Path) -> None:
    one = filter_for(tmp_path, asking())
    reply = refused(one.decide(request("/things", method="DELETE")))
    assert (reply.status, reply.reason, dict(reply.headers)) == (
        405,
        "operation_undocumented",
        {b"allow": b"GET, HEAD"},
    )
    assert one.decide(request("/things", method="HEAD")) is None


@pytest.mark.parametrize(
    ("servers", "base", "target"),
    [
        ([{"url": "https://x.test/v1/"}], None, "/v1/things"),
        ([{"url": "https://x.test/v1"}], "/", "/things"),
        (None, "/api/v2", "/api/v2/things"),
        (None, None, "/things"),
    ],
)
def test_the_path_before_the_document_s(tmp_path: Path, servers: Any, base: str | None, target: str) -> None:
    told = asking() | ({"servers": servers} if servers else {})
    one = filter_for(tmp_path, told, **({"basePath": base} if base else {}))
    assert one.decide(request(target)) is None
    assert refused(one.decide(request(f"/other{target}"))).status == 404


def test_it_goes_by_the_path_that_the_service_will_see(tmp_path: Path) -> None:
    asked = request("/public")
    asked.target_path = "/things"
    assert filter_for(tmp_path, asking()).decide(asked) is None


def test_what_is_not_described_can_pass(tmp_path: Path) -> None:
    for mode, counted in (("off", {}), ("report", {("r", "request", "operation"): 1})):
        one = filter_for(tmp_path, asking(), undocumented=mode, response=ENFORCED)
        asked = request("/nowhere")
        assert one.decide(asked) is None
        assert one._misfits.values == counted
        assert not one.wants_answer(asked, answer(b"anything", 418))
        assert one.explain(asked, None) == "not in the document; it passes unseen"


# -- bodies of requests ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"name": "a", "password": "b"}, []),
        ({"name": "a", "password": "b", "more": 1}, []),
        ({"name": "a"}, [("#", "password is missing")]),
        ({"name": 5, "password": "b"}, [("#/name", "must be a text")]),
        ({"name": "a" * 11, "password": "b"}, [("#/name", "must have at most 10 characters")]),
        ({"id": 1, "name": "a", "password": "b"}, [("#/id", "is for the other direction only")]),
        ([], [("#", "must be an object")]),
        (b"", [("#", "the body is missing")]),
    ],
)
def test_bodies(tmp_path: Path, body: Any, expected: list[tuple[str, str]]) -> None:
    reply = filter_for(tmp_path, taking(USER)).decide(post(body))
    if not expected:
        assert reply is None
    else:
        assert errors(reply) == expected
        assert (refused(reply).status, refused(reply).reason) == (400, "body_invalid")


def test_strict_objects_have_no_fields_that_nobody_names(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), strict=True)
    fine = {"name": "a", "password": "b", "address": {"city": "c"}}
    assert one.decide(post(fine)) is None
    assert errors(one.decide(post(fine | {"role": "admin", "address": {"planet": 1}}))) == [
        ("#/address/planet", "there is no such field"),
        ("#/role", "there is no such field"),
    ]


PARTS: dict[str, Any] = {
    "Base": {"type": "object", "properties": {"id": {"type": "integer", "readOnly": True}}, "required": ["id"]},
    "Cat": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"kind": {"const": "cat"}, "lives": {}}}]},
    "Dog": {"allOf": [{"$ref": "#/components/schemas/Base"}, {"properties": {"kind": {"const": "dog"}, "tail": {}}}]},
    "Pet": {
        "oneOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {"propertyName": "kind", "mapping": {"cat": "Cat", "dog": "#/components/schemas/Dog"}},
    },
    "Tree": {"properties": {"name": {}, "below": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}}},
    "Free": {"type": "object"},
    "Map": {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Tree"}},
    "Said": {"type": "object", "properties": {"a": {}}, "additionalProperties": True},
    "Named": {"properties": {"a": {}}, "patternProperties": {"^x-": {"properties": {"b": {}}}}},
}


@pytest.mark.parametrize(
    ("name", "body", "wrong"),
    [
        ("Cat", {"kind": "cat", "lives": 7}, []),
        ("Cat", {"kind": "cat", "tail": 7}, ["#/tail"]),
        ("Cat", {"kind": "cat", "id": 7}, ["#/id"]),
        ("Pet", {"kind": "dog", "tail": 1}, []),
        ("Pet", {"kind": "dog", "id": 1}, ["#/id"]),
        ("Pet", {"kind": "dog", "gills": 1}, ["#/gills"]),
        ("Pet", {"kind": "fish"}, ["#/kind"]),
        ("Pet", {}, ["#"]),
        ("Tree", {"below": [{"below": [{"name": 1}, {"nam": 1}]}]}, ["#/below/0/below/1/nam"]),
        ("Free", {"anything": 1}, []),
        ("Map", {"anything": {"name": 1}}, []),
        ("Map", {"anything": {"nam": 1}}, ["#/anything/nam"]),
        ("Said", {"b": 1}, []),
        ("Named", {"a": 1, "x-y": {"b": 1}}, []),
        ("Named", {"x-y": {"c": 1}, "z": 1}, ["#/x-y/c", "#/z"]),
    ],
)
def test_strict_follows_what_a_schema_is_put_together_from(
    tmp_path: Path, name: str, body: Any, wrong: list[str]
) -> None:
    one = filter_for(tmp_path, taking({"$ref": f"#/components/schemas/{name}"}, PARTS), strict=True)
    reply = one.decide(post(body))
    assert ([place for place, _ in errors(reply)] if reply else []) == wrong


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("application/json; charset=utf-8", None), ('application/json; charset="UTF-8"', None),
        ("Application/JSON", None),
        ("application/json; charset=utf-16", 415), ("text/plain", 415), ("application/xml", 415), ("json", 415),
        ("application/json, text/plain", 415), ("application/vnd.shop+json", 415),
    ],
)  # fmt: skip
def test_media_types(tmp_path: Path, field: str, expected: int | None) -> None:
    reply = filter_for(tmp_path, taking({"type": "object"})).decide(post({}, f"Content-Type: {field}"))
    if expected is None:
        assert reply is None
    else:
        assert (refused(reply).status, refused(reply).reason) == (expected, "content_type_undocumented")
        assert dict(refused(reply).headers) == {b"accept": b"application/json"}


def test_a_body_without_a_type(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking({"type": "object"}))
    assert refused(one.decide(post({}, "X: y"))).reason == "content_type_undocumented"


@pytest.mark.parametrize(
    ("kind", "sent", "body", "passes"),
    [
        ("application/*", "application/problem+json", b'{"name": 1}', False),
        ("*/*", "application/merge-patch+json", b'{"name": "a"}', True),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded", b"name=a&age=5&tag=x&tag=y", True),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded", b"name=a&age=x", False),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded", b"name=a&name=b", False),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded", b"name=%ff", False),
        ("text/plain", "text/plain", b"name", False),
        ("application/octet-stream", "application/octet-stream", b"\xff", False),
    ],
)
def test_other_media_types(tmp_path: Path, kind: str, sent: str, body: bytes, passes: bool) -> None:
    tags = {"type": "array", "items": {"type": "string"}}
    schema = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "tag": tags}}
    one = filter_for(tmp_path, taking(schema, kind=kind))
    assert (one.decide(post(body, f"Content-Type: {sent}")) is None) == passes


def test_texts_and_types_that_cannot_be_checked(tmp_path: Path) -> None:
    text = filter_for(tmp_path, taking({"type": "string", "maxLength": 3}, kind="text/plain"))
    assert text.decide(post("äöü".encode(), "Content-Type: text/plain")) is None
    assert errors(text.decide(post(b"long", "Content-Type: text/plain"))) == [("#", "must have at most 3 characters")]
    rules = {"otherTypes": "pass"}
    assert filter_for(tmp_path, taking({}, kind="image/png"), request=rules).decide(
        post(b"\xff", "Content-Type: image/png")
    ) is None  # fmt: skip


def test_an_operation_without_a_body_takes_none(tmp_path: Path) -> None:
    one = filter_for(tmp_path, asking())
    assert errors(one.decide(request("/things", body=b"{}"))) == [("#", "this operation takes no body")]
    assert one.decide(request("/things", body=b"")) is None


def test_reports_count_and_pass(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), request={"body": "report", "parameters": "report"})
    asked = post({"name": 1})
    asked.query = "x=1"
    assert one.decide(asked) is None
    assert one._misfits.values == {("r", "request", "parameters"): 1, ("r", "request", "body"): 1}


def test_asking_counts_nothing(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER))
    reply = refused(one.preview(post({"name": "a"})))
    assert one.explain(post({}), reply) == "an undocumented operation: password is missing"
    assert one._misfits.values == {}


def test_off_reads_no_body(tmp_path: Path) -> None:
    assert filter_for(tmp_path, taking(USER), request={"body": "off"}).body_limit == 0
    assert filter_for(tmp_path, taking(USER)).body_limit == 65_536


def test_what_passes_is_counted_by_its_operation(tmp_path: Path) -> None:
    one, asked = filter_for(tmp_path, taking(USER)), post({"name": "a", "password": "b"})
    assert one.decide(asked) is None
    one.commit(asked)
    assert one._passed.values == {("r", "openapi", "make"): 1}
    assert one.explain(asked, None) == "make: 0 parameters, body of 30 bytes"


# -- answers -----------------------------------------------------------------------------------------------------


def test_an_answer_that_fits_goes_on_byte_by_byte(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), response=ENFORCED)
    body = b'{ "id": 1,\n "name": "a", "extra": 1.10 }'
    assert decided(one, body) == body


@pytest.mark.parametrize(
    ("body", "status", "where"),
    [
        ({"id": "x", "name": "a"}, 200, "body"),
        ({"name": "a"}, 200, "body"),
        ({"id": 1, "name": "a", "password": "secret"}, 200, "body"),
        (b'{"id": 1, "name": "a", "name": "b"}', 200, "body"),
        (b"Traceback (most recent call last)", 200, "body"),
        ({"id": 1, "name": "a"}, 500, "status"),
    ],
)
def test_an_answer_that_does_not_fit_is_replaced(tmp_path: Path, body: Any, status: int, where: str) -> None:
    one = filter_for(tmp_path, taking(USER), response=ENFORCED)
    reply = refused(decided(one, body, status))
    assert (reply.status, reply.reason) == (502, "answer_invalid")
    assert one._misfits.values == {("r", "request", "body"): 1, ("r", "response", where): 1}
    for render in (render_problem, render_soap, render_graphql):
        _, told = render(reply, "f:1", "t")
        assert b"secret" not in told
        assert b"Traceback" not in told
        assert b"errors" not in told or render is render_graphql
        assert b"#/" not in told


def test_an_answer_of_another_type_is_replaced(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), response=ENFORCED)
    assert refused(decided(one, b"<html>", fields=[(b"content-type", b"text/html")])).reason == "answer_invalid"
    assert refused(decided(one, b"<html>", fields=[(b"x", b"y")])).reason == "answer_invalid"


def with_answers(**answers: Any) -> dict[str, Any]:
    return document({"/things": {"post": {"operationId": "make", "responses": answers}}})


def test_the_most_exact_status_counts(tmp_path: Path) -> None:
    def content(schema: Any) -> dict[str, Any]:
        return {"description": "", "content": {"application/json": {"schema": schema}}}

    told = with_answers(
        **{"200": content({"const": 1}), "2XX": content({"const": 2}), "default": content({"const": 3})}
    )
    one = filter_for(tmp_path, told, response=ENFORCED)
    for status, value in ((200, 1), (201, 2), (404, 3)):
        assert decided(one, value, status) == str(value).encode()
        assert refused(decided(one, value + 1, status)).status == 502


def test_where_no_content_is_described_there_is_none(tmp_path: Path) -> None:
    one = filter_for(tmp_path, with_answers(**{"200": {"description": ""}}), response=ENFORCED)
    assert decided(one, b"", fields=[(b"x", b"y")]) == b""
    assert refused(decided(one, b"more")).reason == "answer_invalid"


def test_header_fields_of_answers(tmp_path: Path) -> None:
    headers = {"X-Total": {"required": True, "schema": {"type": "integer"}}}
    told = with_answers(**{"200": {"description": "", "headers": headers, "content": {"text/csv": {}}}})
    one = filter_for(tmp_path, told, response=ENFORCED)
    csv = (b"content-type", b"text/csv")
    assert decided(one, b"a,b", fields=[csv, (b"x-total", b"5")]) == b"a,b"
    assert refused(decided(one, b"a,b", fields=[csv, (b"x-total", b"five")])).status == 502
    assert refused(decided(one, b"a,b", fields=[csv])).status == 502


def test_what_is_described_without_a_schema_streams_past(tmp_path: Path) -> None:
    told = with_answers(
        **{"200": {"description": "", "content": {"image/png": {"schema": {"type": "string"}}, "text/csv": {}}}}
    )
    one = filter_for(tmp_path, told, response=ENFORCED)
    assert decided(one, b"\x89", fields=[(b"content-type", b"image/png")]) == "unseen"
    assert decided(one, b"a,b", fields=[(b"content-type", b"text/csv")]) == "unseen"


def test_unknown_fields_are_taken_out(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), strict=True, response=ENFORCED | {"unknownFields": "strip"})
    body = {"id": 1, "name": "ä", "password": "x", "hash": "y", "address": {"city": "c", "geo": [{"lat": 1}]}}
    assert json.loads(decided(one, body)) == {"id": 1, "name": "ä", "address": {"city": "c"}}
    assert one._answers is not None
    assert one._answers._stripped.values == {("r",): 3}
    fine = b'{"id": 1, "name": "a"}'
    assert decided(one, fine) == fine


def test_strict_holds_for_answers_too(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), strict=True, response=ENFORCED)
    assert decided(one, {"id": 1, "name": "a"}) == b'{"id": 1, "name": "a"}'
    assert refused(decided(one, {"id": 1, "name": "a", "password_hash": "x"})).status == 502


def test_digests_of_what_is_written_anew_are_taken_away(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), strict=True, response=ENFORCED | {"unknownFields": "strip"})
    asked, fields = post({}), [(b"content-type", b"application/json"), (b"content-digest", b"x"), (b"etag", b"y")]
    one.decide(asked)
    for body, left in ((b'{"id": 1, "name": "a"}', 3), (b'{"id": 1, "name": "a", "hash": 1}', 2)):
        response = answer(body, 200, *fields)
        one.on_answer(asked, response, body)
        assert len(response.headers) == left


def test_stripping_heeds_what_the_document_closes_itself(tmp_path: Path) -> None:
    closed = {"type": "object", "additionalProperties": False, "properties": {"a": {"properties": {"b": {}}}}}
    one = filter_for(tmp_path, taking(closed), response=ENFORCED | {"unknownFields": "strip"})
    assert decided(one, {"a": {"c": 1}, "z": 1}) == b'{"a":{"c":1}}'


def test_what_is_wrong_besides_is_still_refused_or_reported(tmp_path: Path) -> None:
    body = {"id": "x", "name": "a", "hash": "y"}
    rules = {"unknownFields": "strip"}
    strict = filter_for(tmp_path, taking(USER), strict=True, response=rules | ENFORCED)
    assert refused(decided(strict, body)).status == 502
    shadow = filter_for(tmp_path, taking(USER), strict=True, response=rules | {"mode": "report"})
    assert json.loads(decided(shadow, body)) == {"id": "x", "name": "a"}
    assert shadow._misfits.values[("r", "response", "body")] == 1


def test_reporting_lets_answers_stream_past(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = filter_for(tmp_path, taking(USER))
    assert one.answer_limit == 0
    asked = post({"name": "a", "password": "b"})
    one.decide(asked)
    assert asked.fields[b"accept-encoding"] == b"identity"
    stream = one.stream(asked, answer(b"x" * 40))
    assert stream is not None
    assert stream.keeps_length
    assert stream.feed(b'{"id": "sword') == b'{"id": "sword'
    assert stream.feed(b'fish", "name": "a"}') == b'fish", "name": "a"}'
    assert stream.end() == b""
    assert one._misfits.values == {("r", "response", "body"): 1}
    assert "#/id: must be a whole number" in caplog.text
    assert "swordfish" not in caplog.text


def test_of_too_large_an_answer_nothing_is_said_in_report_mode(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking(USER), response={"maxBytes": 10})
    asked = post({"name": "a", "password": "b"})
    one.decide(asked)
    stream = one.stream(asked, answer(b"x" * 40))
    assert stream is not None
    assert stream.feed(b"no JSON at") + stream.feed(b" all") + stream.end() == b"no JSON at all"
    assert one._misfits.values == {}


def test_reports_are_written_once_a_second_at_most(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    one = filter_for(tmp_path, taking(USER))
    for _ in range(5):
        one.decide(post({}))
    assert len(caplog.records) == 1
    one._clock = lambda: 3.0
    one.decide(post({}))
    assert len(caplog.records) == 2


# -- what clients are told ---------------------------------------------------------------------------------------


def test_errors_in_each_style(tmp_path: Path) -> None:
    reply = refused(filter_for(tmp_path, taking(USER)).decide(post({"name": 1, "password": "b"})))
    wanted = [{"detail": "must be a text", "pointer": "#/name"}]
    assert json.loads(render_problem(reply, "f:1", "t")[1])["errors"] == wanted
    assert json.loads(render_graphql(reply, "f:1", "t")[1])["errors"][0]["extensions"]["errors"] == wanted
    assert (
        b"<error><detail>must be a text</detail><pointer>#/name</pointer></error>" in render_soap(reply, "f:1", "t")[1]
    )


def test_what_is_told_is_bounded(tmp_path: Path) -> None:
    one = filter_for(tmp_path, taking({"type": "object", "additionalProperties": False}))
    reply = refused(one.decide(post({f"{number}{'x' * 1000}\n": 1 for number in range(100)})))
    assert len(reply.errors) == 10
    assert all(len(found.pointer) < 100 and found.pointer.isprintable() for found in reply.errors)
    assert len(render_problem(reply, "f:1", "t")[1]) < 2_000
    assert isinstance(reply, Reply)

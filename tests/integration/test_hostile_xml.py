"""Malformed and hostile XML: entities, depth, encodings, wrong envelopes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system

Refused = Callable[..., None]

SOAP_11 = b"http://schemas.xmlsoap.org/soap/envelope/"


def soap(inside: str, before: str = "") -> bytes:
    return f'{before}<s:Envelope xmlns:s="{SOAP_11.decode()}"><s:Body>{inside}</s:Body></s:Envelope>'.encode()


READ = '<ReadProfile xmlns="https://profiles.shop.example/v1"><username>%s</username></ReadProfile>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
HOSTILE_XML = {
    "nothing": ("malformed_xml", b""),
    "no XML": ("malformed_xml", b"{}"),
    "cut off": ("malformed_xml", soap(READ % "alice")[:-20]),
    "another root": ("not_an_envelope", b"<a/>"),
    "SOAP 1.2": (
        "soap_version_mismatch",
        soap(READ % "alice").replace(SOAP_11, b"http://www.w3.org/2003/05/soap-envelope"),
    ),
    "an empty body": ("not_an_envelope", soap("")),
    "two operations": ("not_an_envelope", soap(READ % "alice" + READ % "alice")),
    "an unknown operation": ("unknown_operation", soap('<Burn xmlns="https://profiles.shop.example/v1"/>')),
    "another namespace": ("unknown_operation", soap("<ReadProfile><username>alice</username></ReadProfile>")),
    "an external entity": (
        "dtd_forbidden",
        soap(READ % "&x;", '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    ),
    "an external DTD": ("dtd_forbidden", soap(READ % "alice", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">')),
    "an entity bomb": ("dtd_forbidden", soap(READ % "&c;", LAUGHS)),
    "an unknown entity": ("malformed_xml", soap(READ % "&x;")),
    "a processing instruction": ("processing_instruction_forbidden", soap("<?php 1 ?>" + READ % "alice")),
    "deep": ("too_deep", soap("<a>" * 5000 + "</a>" * 5000)),
    "not closed, deep": ("too_deep", soap("<a>" * 20000)),
    "large": ("too_large", soap(READ % ("a" * 200_000))),
    "NUL": ("malformed_xml", soap(READ % "\0")),
    "a forbidden character": ("malformed_xml", soap(READ % "&#0;")),
    "no UTF-8": ("malformed_xml", soap(READ % "X").replace(b"X", b"\xff")),
    "UTF-16": ("malformed_xml", soap(READ % "alice").decode().encode("utf-16")),
    "a bad name": ("invalid_body", soap(READ % "../../etc")),
    "an element inside": ("invalid_body", soap(READ % "<x>alice</x>")),
    "too many attributes": ("unknown_operation", soap("<a " + " ".join(f'a{n}=""' for n in range(5000)) + "/>")),
    "an undeclared prefix": ("malformed_xml", soap("<x:ReadProfile/>")),
}
HEADERS = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"https://profiles.shop.example/v1/ReadProfile"'}


def test_the_same_message_in_order_is_answered(shop: Any, alice: str) -> None:
    answer = shop.send("POST", "/profiles/soap", token=alice, body=soap(READ % "alice"), headers=HEADERS)
    assert answer.status == 200


GUARD = {
    "malformed_xml": "soap_malformed",
    "not_an_envelope": "soap_not_an_envelope",
    "soap_version_mismatch": "soap_version_mismatch",
    "unknown_operation": "soap_unknown_operation",
    "dtd_forbidden": "soap_dtd",
    "processing_instruction_forbidden": "soap_processing_instruction",
    "too_deep": "soap_too_deep",
    "too_large": "body_too_large_to_inspect",
    "invalid_body": "soap_invalid",
}
"""What the gateway's guard calls it."""


@pytest.mark.parametrize(("reason", "body"), HOSTILE_XML.values(), ids=HOSTILE_XML.keys())
def test_xml_ends_at_the_gateway(shop: Any, refused: Refused, alice: str, reason: str, body: bytes) -> None:
    answer = shop.send("POST", "/profiles/soap", token=alice, body=body, headers=HEADERS)
    refused(answer, "text/xml")
    expected = "soap_too_many_attributes" if b"a4999" in body else GUARD[reason]
    assert f"<reason>{expected}</reason><policy>shop.yaml:".encode() in answer.body
    code = b"VersionMismatch" if reason == "soap_version_mismatch" else b"Client"
    assert code + b"</faultcode>" in answer.body
    assert b"root:" not in answer.body  # nothing of /etc/passwd


@pytest.mark.parametrize(("reason", "body"), HOSTILE_XML.values(), ids=HOSTILE_XML.keys())
def test_xml(shop: Any, refused: Refused, alice: str, reason: str, body: bytes) -> None:
    """The service itself, without the guard in front of it: either would do alone."""
    port = shop.ports["profiles"]
    answer = shop.send("POST", "/profiles/soap", token=alice, body=body, headers=HEADERS, port=port)
    refused(answer, "text/xml")
    assert f"<p:reason>{reason}</p:reason>".encode() in answer.body
    code = b"VersionMismatch" if reason == "soap_version_mismatch" else b"Client"
    assert code + b"</faultcode>" in answer.body
    assert b"root:" not in answer.body  # nothing of /etc/passwd


def test_a_canary_stays_in_its_file(shop: Any, alice: str, tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("canary-4711")
    entity = f'<!DOCTYPE x [<!ENTITY x SYSTEM "file://{tmp_path}/canary">]>'
    for port in (None, shop.ports["profiles"]):
        answer = shop.send(
            "POST", "/profiles/soap", token=alice, body=soap(READ % "&x;", entity), headers=HEADERS, port=port
        )
        assert answer.status == 400
        assert b"4711" not in answer.body


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ('"https://profiles.shop.example/v1/DropProfile"', "soap_action_mismatch"),
        ("https://profiles.shop.example/v1/ReadProfile", "soap_action_mismatch"),  # without quotation marks
        ('""', "soap_action_mismatch"),
        (None, "soap_action_missing"),
    ],
)
def test_soap_action_agrees_with_the_body(shop: Any, alice: str, action: str | None, reason: str) -> None:
    headers = {name: value for name, value in (HEADERS | {"SOAPAction": action}).items() if value is not None}
    answer = shop.send("POST", "/profiles/soap", token=alice, body=soap(READ % "alice"), headers=headers)
    assert answer.status == 400
    assert f"<reason>{reason}</reason>".encode() in answer.body


def test_an_operation_asks_for_its_own_scope(shop: Any) -> None:
    """Dropping looks like reading to whoever goes by path and header: the body decides."""
    drop = READ.replace("ReadProfile", "DropProfile") % "alice"
    headers = HEADERS | {"SOAPAction": '"https://profiles.shop.example/v1/DropProfile"'}
    answer = shop.send("POST", "/profiles/soap", token=shop.token("carol"), body=soap(drop), headers=headers)
    assert answer.status == 403
    assert b"<reason>insufficient_scope</reason><policy>shop.yaml:" in answer.body


def test_the_encoding_is_the_one_of_the_content_type(shop: Any, alice: str) -> None:
    """RFC 7303 section 3.2: whatever the XML declaration says, so nobody hides a DOCTYPE in another encoding."""
    body = soap(READ % "alice", '<?xml version="1.0" encoding="utf-7"?>')
    assert shop.send("POST", "/profiles/soap", token=alice, body=body, headers=HEADERS).status == 200
    hidden = soap(READ % "alice", '<?xml version="1.0" encoding="utf-7"?>+ADwAIQ-DOCTYPE x+AD4-')
    assert shop.send("POST", "/profiles/soap", token=alice, body=hidden, headers=HEADERS).status == 400


@pytest.mark.parametrize("media_type", ["application/json", "application/soap+xml", "text/xml; charset=utf-7", "\xff"])
def test_xml_under_a_false_name(shop: Any, refused: Refused, media_type: str) -> None:
    body = soap(READ % "alice")
    headers = {"Content-Type": media_type}
    refused(shop.send("POST", "/profiles/soap", token=shop.token("alice"), body=body, headers=headers), "text/xml")

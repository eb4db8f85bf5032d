"""The published files, and that they say the same as the models."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydantic import ValidationError

from sample_services.kit.problems import Problem
from sample_services.profiles.model import NewProfile
from sample_services.profiles.soap.contract import NAMESPACE, WSDL, Contract
from sample_services.profiles.soap.envelope import build
from sample_services.profiles.soap.messages import values

CONTRACT = Contract("http://gateway.example:8088")
ACTION = f'"{NAMESPACE}/ReadProfile"'


def test_the_wsdl_has_the_public_address_and_the_types() -> None:
    wsdl = etree.fromstring(CONTRACT.wsdl)
    addresses = [element.get("location") for element in wsdl.iter("{http://schemas.xmlsoap.org/wsdl/soap/}address")]
    assert addresses == ["http://gateway.example:8088/profiles/soap"]
    types = wsdl.find(f"{{{WSDL}}}types")
    assert types is not None
    etree.XMLSchema(etree.fromstring(etree.tostring(types[0])))


def test_the_wsdl_is_valid() -> None:
    schema = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("wsdl11.xsd"))))
    schema.assertValid(etree.fromstring(CONTRACT.wsdl))


def test_every_operation_has_an_action() -> None:
    assert CONTRACT.actions == {
        name: f"{NAMESPACE}/{name}"
        for name in ("CreateProfile", "ReadProfile", "UpdateProfile", "DropProfile", "RecoverProfile")
    }


@pytest.mark.parametrize(
    ("element", "action", "reason"),
    [
        (build("ReadProfile"), None, "soap_action_missing"),
        (build("ReadProfile"), '""', "soap_action_mismatch"),
        (build("ReadProfile"), ACTION.strip('"'), "soap_action_mismatch"),
        (build("DropProfile"), ACTION, "soap_action_mismatch"),
        (build("ReadProfileResponse"), ACTION, "unknown_operation"),
        (build("ReadProfile", namespace="urn:other"), ACTION, "unknown_operation"),
    ],
)
def test_body_and_action_must_agree(element: etree._Element, action: str | None, reason: str) -> None:
    with pytest.raises(Problem, match=rf"^400 {reason}"):
        CONTRACT.operation(element, action)
    assert CONTRACT.operation(build("ReadProfile"), ACTION) == "ReadProfile"


@pytest.mark.parametrize(
    "element",
    [
        build("ReadProfile"),
        build("ReadProfile", build("username", "Alice")),
        build("ReadProfile", build("username", "alice"), build("username", "bob")),
        build("ReadProfile", build("username", build("b"))),
        build("UpdateProfile", build("username", "bob"), build("version", "one")),
        build("UpdateProfile", build("username", "bob"), build("version", "99999999999")),
    ],
)
def test_what_the_schema_does_not_allow_is_refused(element: etree._Element) -> None:
    with pytest.raises(Problem, match=r"^422 invalid_body"):
        CONTRACT.check(element)


def test_a_message_cannot_bring_its_own_schema() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        element = build("ReadProfile", build("username", "alice"))
        hint = f"{NAMESPACE} http://127.0.0.1:{server.getsockname()[1]}/own.xsd"
        element.set("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", hint)
        CONTRACT.check(element)
        with pytest.raises(BlockingIOError):
            server.accept()


_GOOD: dict[str, Any] = {"username": "dora", "full_name": "Dora Sample", "email": "dora@shop.example"}


@pytest.mark.parametrize(
    ("field", "longest", "too_long"),
    [
        ("username", "d" * 32, "d" * 33),
        ("full_name", "ä" * 120, "ä" * 121),
        ("phone", "+" + "1" * 15, "+" + "1" * 16),
        ("street", "s" * 120, "s" * 121),
        ("city", "c" * 120, "c" * 121),
        ("postcode", "1" * 12, "1" * 13),
        ("country", "GB", "GBR"),
        ("loyalty_points", 1_000_000_000, 1_000_000_001),
    ],
)
def test_schema_and_model_have_the_same_limits(field: str, longest: object, too_long: object) -> None:
    element = _create(longest, field)
    CONTRACT.check(element)
    assert NewProfile(**values(element)) == NewProfile(**{**_GOOD, field: longest})
    with pytest.raises(Problem, match="invalid_body"):
        CONTRACT.check(_create(too_long, field))
    with pytest.raises(ValidationError):
        NewProfile(**{**_GOOD, field: too_long})


def _create(value: object, field: str) -> etree._Element:
    names = {"full_name": "fullName", "loyalty_points": "loyaltyPoints"}
    fields = {**_GOOD, field: value}
    return build("CreateProfile", *(build(names.get(name, name), str(fields[name])) for name in fields))

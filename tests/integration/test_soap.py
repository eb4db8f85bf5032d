"""SOAP by a client that reads the WSDL (zeep), and refusals that such a client understands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from lxml import etree
from zeep import Client
from zeep.exceptions import Fault
from zeep.transports import Transport

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.whole_system


@contextmanager
def soap_client(shop: Any, token: str) -> Iterator[Any]:
    """zeep, with nothing but the WSDL's address and a token; everything else it reads there."""
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {token}"
        transport = Transport(session=session)  # type: ignore[no-untyped-call]
        with Client(f"{shop.url}/profiles/soap?wsdl", transport=transport) as client:  # type: ignore[no-untyped-call]
            yield client.service


def problem(text: bytes) -> dict[str, str]:
    """The members that a fault's detail holds."""
    detail = etree.fromstring(text).find(".//detail")
    assert detail is not None
    return {etree.QName(one).localname: one.text or "" for one in detail[0]}


def test_the_wsdl_leads_back_to_the_gateway(shop: Any) -> None:
    answer = shop.send("GET", "/profiles/soap?wsdl")
    assert (answer.status, answer.type) == (200, "text/xml")
    assert f'location="{shop.url}/profiles/soap"'.encode() in answer.body
    assert str(shop.ports["profiles"]).encode() not in answer.body


def test_the_guard_checks_by_the_contract_that_is_served(shop: Any) -> None:
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True)
    served = shop.send("GET", "/profiles/soap?wsdl").body.replace(shop.url.encode(), b"PUBLIC")
    checked = (ROOT / "config" / "profiles.wsdl").read_bytes().replace(b"http://127.0.0.1:8088", b"PUBLIC")
    forms = [etree.tostring(etree.fromstring(one, parser), method="c14n") for one in (served, checked)]
    assert forms[0] == forms[1]


def test_support_drops_nothing_but_recovers(shop: Any, until: Any) -> None:
    name = shop.new_user()
    person = {"username": name, "fullName": "Test Person", "email": "test@shop.example"}
    with soap_client(shop, shop.token(name)) as own, soap_client(shop, shop.token("carol")) as support:
        assert own.CreateProfile(**person).fullName == "Test Person"
        assert support.ReadProfile(username=name).email == "test@shop.example"
        with pytest.raises(Fault, match="profiles:write"):
            support.DropProfile(username=name)
        own.DropProfile(username=name)
        with pytest.raises(Fault, match=r"dropped|no profile"):
            support.ReadProfile(username=name)
        with pytest.raises(Fault):
            own.RecoverProfile(username=name)
        recovered = support.RecoverProfile(username=name, reason="asked on the telephone")
        assert recovered.credentialReset == "pending"
        assert own.ReadProfile(username=name).fullName == "Test Person"

    def reset() -> Any:
        return shop.rows("identity", "SELECT * FROM credential_resets WHERE username = ?", name)

    assert len(until(reset)) == 1  # and identity has begun the reset, by a call between services


def test_refusals_of_the_gateway_are_faults(shop: Any) -> None:
    answer = shop.send("POST", "/profiles/soap", body=b"<x/>", headers={"Content-Type": "text/xml"})
    assert (answer.status, answer.type) == (401, "text/xml")
    told = problem(answer.body)
    assert (told["reason"], told["status"], told["trace_id"]) == ("token_missing", "401", answer.trace_id)
    assert told["policy"].startswith("shop.yaml:")
    with soap_client(shop, "no.such.token") as stranger, pytest.raises(Fault) as refused:
        stranger.ReadProfile(username="alice")
    assert refused.value.code == "soap:Client"


def test_a_limit_is_a_fault_too(shop: Any, customer: str) -> None:
    with shop.connect() as connection:
        fields = {"Content-Type": "text/xml"}
        for _ in range(600):
            answer = shop.send("POST", "/profiles/soap", token=customer, body=b"<x/>", headers=fields, on=connection)
            if answer.status == 429:
                break
    assert (answer.status, answer.type, answer.headers["retry-after"]) == (429, "text/xml", "1")
    assert problem(answer.body)["reason"] == "rate_limited"

"""What nobody thought of: generated input, for a short while and always the same, never breaks a service."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.whole_system

text = st.text(st.characters(exclude_categories=()), max_size=20)  # half surrogate pairs too: JSON can write them
scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3), max_leaves=8
)
lines = st.fixed_dictionaries({"product_id": scalars, "quantity": scalars})
orders = st.fixed_dictionaries({"items": st.lists(lines, max_size=3)})
logins = st.fixed_dictionaries({"username": values, "password": values})
queries = st.fixed_dictionaries(
    {
        "query": text | st.just("query ($a: ID!) { product(id: $a) { id } }"),
        "variables": st.dictionaries(st.sampled_from("ab"), values),
    }
)
parameters = st.dictionaries(
    st.sampled_from(["limit", "cursor", "ids", "customer", "usernames", "wsdl", "x"]), st.text(max_size=20)
)
MEDIA_TYPES = ["application/json", "text/xml", "application/x-www-form-urlencoded"]
PREFIXES = ["/orders", "/orders/", "/products", "/products/", "/profiles/", "/static/", "/auth/", "/"]
SOAP_11 = "http://schemas.xmlsoap.org/soap/envelope/"
short = settings(
    max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def harmless(answer: Any) -> None:
    assert answer.status < 500, answer
    assert answer.status != 429, "the limit decided, so nothing was tested"
    assert b"Traceback" not in answer.body


@short
@given(body=orders | values)
def test_orders(shop: Any, customer: str, body: Any) -> None:
    harmless(shop.send("POST", "/orders", token=customer, json=body))


@short
@given(body=logins | values)
def test_logins(shop: Any, body: Any) -> None:
    harmless(shop.send("POST", "/auth/login", json=body))


@short
@given(body=queries | values)
def test_graphql(shop: Any, customer: str, body: Any) -> None:
    harmless(shop.send("POST", "/graphql", token=customer, json=body))


@short
@given(body=st.binary(max_size=200), media_type=st.sampled_from(MEDIA_TYPES))
def test_bytes(shop: Any, customer: str, body: bytes, media_type: str) -> None:
    for path in ("/profiles/soap", "/profiles", "/graphql", "/auth/token"):
        harmless(shop.send("POST", path, token=customer, body=body, headers={"Content-Type": media_type}))


@short
@given(inner=text, tag=st.from_regex(r"[A-Za-z:]{1,20}", fullmatch=True))
def test_xml(shop: Any, customer: str, inner: str, tag: str) -> None:
    document = f'<s:Envelope xmlns:s="{SOAP_11}"><s:Body><{tag}>{inner}</{tag}></s:Body></s:Envelope>'
    body = document.encode(errors="surrogatepass")
    harmless(shop.send("POST", "/profiles/soap", token=customer, body=body, headers={"Content-Type": "text/xml"}))


@short
@given(path=st.sampled_from(PREFIXES), more=st.text(max_size=20), names=parameters)
def test_addresses(shop: Any, path: str, more: str, names: dict[str, str]) -> None:
    query = "&".join(f"{name}={quote(value)}" for name, value in names.items())
    harmless(shop.send("GET", f"{path}{quote(more)}?{query}", token=shop.token("admin")))

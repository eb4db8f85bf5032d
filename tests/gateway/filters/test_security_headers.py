"""What browsers are told on answers of the service and of the gateway."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.security_headers import SecurityHeadersFilter
from gateway.http.messages import Request, Response
from gateway.spec.filters import SecurityHeaders


def answered(build: Any, request: Request, *fields: tuple[bytes, bytes], **more: Any) -> dict[str, str]:
    """The fields that a client gets, each once."""
    one = SecurityHeadersFilter(SecurityHeaders.model_validate(more), build())
    assert one.decide(request) is None
    response = Response(200, list(fields), dict(fields), 0, True)
    one.on_response(request, response)
    told = [*response.headers, *request.reply_headers]
    assert len({name for name, _ in told}) == len(told)
    return {name.decode(): value.decode() for name, value in told}


def test_an_api_is_never_a_page(build: Any, ask: Any) -> None:
    assert answered(build, ask()) == {
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }


def test_a_page_may_use_what_is_its_own(build: Any, ask: Any) -> None:
    told = answered(build, ask(), profile="page")
    assert told["content-security-policy"].startswith("default-src 'self';")
    assert told["cross-origin-opener-policy"] == "same-origin"
    assert "camera=()" in told["permissions-policy"]
    assert "cache-control" not in told


def test_what_the_service_says_stays(build: Any, ask: Any) -> None:
    own = [(b"content-security-policy", b"default-src https://cdn.example"), (b"cache-control", b"max-age=60")]
    told = answered(build, ask(), *own)
    assert told["content-security-policy"] == "default-src https://cdn.example"
    assert told["cache-control"] == "max-age=60"
    assert told["x-frame-options"] == "DENY"


def test_what_the_service_says_of_itself_goes(build: Any, ask: Any) -> None:
    own = [(b"server", b"Apache/2.4.1"), (b"x-powered-by", b"PHP/5"), (b"via", b"1.1 inner")]
    assert answered(build, ask(), *own).keys() & {"server", "x-powered-by", "via"} == {"via"}
    assert "server" in answered(build, ask(), *own, remove=("via",))


@pytest.mark.parametrize(("scheme", "told"), [("http", None), ("https", "max-age=31536000; includeSubDomains")])
def test_strict_transport_over_tls_only(build: Any, ask: Any, scheme: str, told: str | None) -> None:
    request = ask()
    request.scheme = scheme
    assert answered(build, request).get("strict-transport-security") == told


def test_one_own_policy(build: Any, ask: Any) -> None:
    assert answered(build, ask(), content_security_policy="sandbox")["content-security-policy"] == "sandbox"


CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
filters: [{{type: SecurityHeaders}}]
routes:
  - name: shop
    public: true
    filters:
      - {{type: AuthorizationPolicy, allow: [{{name: read, methods: [GET]}}]}}
    backendRefs: [{{cluster: shop}}]
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nServer: secret/1.0\r\nReferrer-Policy: origin\r\n\r\nhi"


@pytest.mark.parametrize(("method", "status", "referrer"), [("GET", 200, b"origin"), ("PUT", 403, b"no-referrer")])
async def test_refusals_have_them_too(upstream: Any, gateway: Any, method: str, status: int, referrer: bytes) -> None:
    shop = await upstream(OK)
    edge = await gateway(CONFIG.format(address=shop.address))
    answer = await edge.raw(f"{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    head = answer.partition(b"\r\n\r\n")[0].lower() + b"\r\n"
    assert head.startswith(f"http/1.1 {status} ".encode())
    for line in (b"cache-control: no-store", b"x-content-type-options: nosniff", b"referrer-policy: " + referrer):
        assert head.count(line + b"\r\n") == 1
    assert (head.count(b"referrer-policy:"), b"secret" in head) == (1, False)

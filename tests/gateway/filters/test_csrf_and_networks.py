"""Pages of other sites, and networks that may not come."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.csrf import CsrfFilter
from gateway.filters.ip_access import IpAccessFilter
from gateway.http.messages import Reply, Request
from gateway.spec.filters import Csrf, IpAccess


def reason(one: Any, request: Request) -> str | None:
    reply = one.decide(request)
    assert reply is None or (isinstance(reply, Reply) and reply.status == 403)
    return reply.reason if reply else None


SITE, ORIGIN = "Sec-Fetch-Site: ", "Origin: "


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([SITE + "same-origin"], None),
        ([SITE + "none"], None),
        ([SITE + "same-site"], "csrf_cross_site"),
        ([SITE + "cross-site"], "csrf_cross_site"),
        ([SITE + "cross-site", ORIGIN + "https://shop.test"], "csrf_cross_site"),  # the browser knows better
        ([SITE + "cross-site", ORIGIN + "https://other.example"], None),  # listed
        ([SITE + "same-site", ORIGIN + "https://other.example"], None),
        ([SITE + "cross-site", ORIGIN + "https://evil.example"], "csrf_cross_site"),
        ([SITE + "made-up"], "csrf_cross_site"),
        ([SITE + "same-origin", SITE + "cross-site"], "csrf_cross_site"),
        ([SITE + "cross-site", SITE + "same-origin"], "csrf_cross_site"),
        ([ORIGIN + "http://shop.test"], None),
        ([ORIGIN + "https://SHOP.test"], None),
        ([ORIGIN + "https://other.example"], None),
        ([ORIGIN + "http://other.example"], "csrf_cross_site"),
        ([ORIGIN + "http://shop.test:81"], "csrf_cross_site"),
        ([ORIGIN + "http://shop.test.evil.example"], "csrf_cross_site"),
        ([ORIGIN + "null"], "csrf_cross_site"),
        ([ORIGIN + "shop.test"], "csrf_cross_site"),
        ([ORIGIN], "csrf_cross_site"),
        ([ORIGIN + "http://shop.test", ORIGIN + "https://evil.example"], "csrf_cross_site"),
        (["Referer: http://shop.test/form"], "csrf_no_origin"),
        ([], "csrf_no_origin"),
    ],
)
def test_where_the_page_comes_from(build: Any, ask: Any, fields: list[str], expected: str | None) -> None:
    one = CsrfFilter(Csrf(origins=("https://other.example",)), build())
    assert reason(one, ask("/", "Cookie: session=1", *fields, method="POST")) == expected


@pytest.mark.parametrize(
    ("method", "cookies", "looked_at"),
    [
        ("POST", ["a=1; session=2"], True),
        ("PUT", ["session=2"], True),
        ("DELETE", ["a=1", "session=2"], True),
        ("PATCH", ["a=1;session=2"], True),
        ("post", ["session=2"], True),
        ("POST", ["session"], True),
        ("POST", ["a=1; b=session"], False),
        ("POST", ["sessions=1"], False),
        ("POST", [], False),
        ("GET", ["session=2"], False),
        ("HEAD", ["session=2"], False),
        ("OPTIONS", ["session=2"], False),
    ],
)
def test_what_is_looked_at(build: Any, ask: Any, method: str, cookies: list[str], looked_at: bool) -> None:
    one = CsrfFilter(Csrf(cookies=("session",)), build())
    fields = [f"Cookie: {cookie}" for cookie in cookies]
    request = ask("/", SITE + "cross-site", *fields, method=method)
    assert reason(one, request) == ("csrf_cross_site" if looked_at else None)


def test_csrf_in_shadow_mode(build: Any, ask: Any) -> None:
    made = build()
    one = CsrfFilter(Csrf(enforced=False), made)
    request = ask("/", "Cookie: a=1", SITE + "cross-site", method="POST")
    assert reason(one, request) is None
    assert made.metrics.shadowed.values == {("CSRF", "csrf_cross_site"): 1}
    assert one.explain(request, None) == (
        "shadow mode, would deny; Sec-Fetch-Site cross-site, Origin absent, Host shop.test"
    )


@pytest.mark.parametrize(
    ("deny", "allow", "client", "expected"),
    [
        (["10.0.0.0/8"], [], "10.1.2.3", "address_denied"),
        (["10.0.0.0/8"], [], "::ffff:10.1.2.3", "address_denied"),
        (["10.0.0.0/8"], [], "192.0.2.1", None),
        (["10.0.0.0/8"], [], "fd00::1", None),
        ([], ["10.0.0.0/8"], "10.1.2.3", None),
        ([], ["10.0.0.0/8"], "192.0.2.1", "address_not_allowed"),
        (["10.6.6.0/24"], ["10.0.0.0/8"], "10.6.6.6", "address_denied"),
        (["10.6.6.0/24"], ["10.0.0.0/8"], "10.6.7.6", None),
        ([], ["2001:db8::/32"], "2001:db8::1", None),
        ([], ["2001:db8::/32"], "", "address_not_allowed"),
        ([], ["192.0.2.1"], "192.0.2.1", None),
    ],
)
def test_networks(build: Any, ask: Any, deny: Any, allow: Any, client: str, expected: str | None) -> None:
    one = IpAccessFilter(IpAccess(deny=tuple(deny), allow=tuple(allow)), build())
    request = ask()
    request.client = client
    assert reason(one, request) == expected


def test_networks_in_shadow_mode(build: Any, ask: Any) -> None:
    made = build()
    one = IpAccessFilter(IpAccess(deny=("192.0.2.0/24",), enforced=False), made)
    assert reason(one, ask()) is None
    assert made.metrics.shadowed.values == {("IpAccess", "address_denied"): 1}
    assert one.explain(ask(), None).startswith("shadow mode, would deny; address 192.0.2.1: ")


def test_what_is_remembered_of_addresses_is_bounded(build: Any) -> None:
    one = IpAccessFilter(IpAccess(deny=("10.0.0.0/8",)), build())
    for number in range(5_000):
        one._denied(f"192.0.{number // 256}.{number % 256}")
    assert one._denied.cache_info().currsize == 4_096  # type: ignore[attr-defined]


CONFIG = """
listeners: [{{name: public, port: 0, trustedHops: {hops}}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - name: shop
    public: true
    filters: [{{type: IpAccess, allow: [192.0.2.0/24]}}]
    backendRefs: [{{cluster: shop}}]
"""


@pytest.mark.parametrize(("hops", "status"), [(0, 403), (1, 200)])
async def test_only_our_own_proxies_say_who_it_is(upstream: Any, gateway: Any, hops: int, status: int) -> None:
    shop = await upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    edge = await gateway(CONFIG.format(address=shop.address, hops=hops))
    answer = await edge.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())

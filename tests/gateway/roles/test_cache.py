"""Raw bytes through a gateway with a cache: what is given again, to whom, and what the service is asked."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from gateway.filters.cache import CacheFilter
from tests.waiting import until

KEPT = b"Cache-Control: max-age=60\r\n"


def config(address: str, cache: str = "", filters: str = "", more: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"], connectTimeout: 2s}}]
caches: [{{name: main, maxObjectBytes: 4096, maxBytes: 65536}}]
routes:
  - name: all
    public: true
    backendRefs: [{{cluster: shop}}]
    filters: [{filters}{{type: Cache, cache: main{cache}}}]
    {more}
"""


def answer(body: bytes, fields: bytes = KEPT, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, fields, len(body), body)


class Service:
    """Counts its answers; each says which one it is, and the test may change how they look."""

    def __init__(self, fields: bytes = KEPT, status: bytes = b"200 OK") -> None:
        self.asked = 0
        self.fields, self.status = fields, status
        self.gate: asyncio.Event | None = None
        self.bodies: Callable[[int], bytes] = lambda number: b"answer %d" % number

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        body, fields, status = self.bodies(self.asked), self.fields, self.status
        if self.gate is not None:
            await self.gate.wait()
        writer.write(answer(b"" if status[:3] == b"304" else body, fields, status))
        await writer.drain()


class Answer:
    """A client's view of an answer."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        self.status = int(head[9:12])
        self.fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }

    @property
    def cache(self) -> str:
        return re.sub(r"ttl=-?\d+", "ttl=_", self.fields[b"cache-status"].decode())


Ask = Callable[..., Coroutine[Any, Any, Answer]]


@pytest.fixture
def cached(gateway: Any, upstream: Any) -> Callable[..., Awaitable[tuple[Service, Ask, Any]]]:
    """A service behind a gateway, and a way to ask it."""

    async def start(service: Service | None = None, **keys: str) -> tuple[Service, Ask, Any]:
        service = service or Service()
        shop = await upstream(service)
        running = await gateway(config(shop.address, **keys))
        running.shop = shop

        async def ask(
            target: str = "/", fields: str = "", method: str = "GET", host: str = "a", body: str = ""
        ) -> Answer:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            head = f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{length}{fields}\r\n{body}"
            return Answer(await running.raw(head.encode()))

        return service, ask, running

    return start


def cache_filter(running: Any) -> CacheFilter:
    return next(one for one in running.worker.snapshot.filters.values() if isinstance(one, CacheFilter))


# -- hits ------------------------------------------------------------------------------------------------------


async def test_the_second_answer_comes_from_memory(cached: Any) -> None:
    service, ask, running = await cached()
    first, second = await ask(), await ask()
    assert (first.body, second.body, service.asked) == (b"answer 1", b"answer 1", 1)
    assert first.cache == "gatehouse; fwd=uri-miss; fwd-status=200; stored"
    assert second.cache == "gatehouse; hit; ttl=_"
    assert int(second.fields[b"age"]) == 0
    assert b"age" not in first.fields
    assert second.fields[b"content-length"] == b"8"
    assert second.fields[b"date"]
    assert running.total("gateway_cache_requests_total", http_route="all", result="hit") == 1
    assert running.total("gateway_cache_requests_total", http_route="all", result="miss") == 1
    assert running.total("gateway_cache_entries", gateway_cache="main") == 1
    assert running.total("gateway_cache_bytes", gateway_cache="main") > 1_500


@pytest.mark.parametrize(
    ("one", "other", "asked"),
    [
        ({"target": "/x"}, {"target": "/y"}, 2),
        ({"target": "/x?a=1"}, {"target": "/x?a=2"}, 2),
        ({"target": "/x?a=1"}, {"target": "/x?a=1"}, 1),
        ({"target": "/%78"}, {"target": "/x"}, 1),
        ({"host": "a"}, {"host": "b"}, 2),
        ({"host": "a"}, {"host": "A"}, 1),
    ],
)
async def test_what_the_key_is(cached: Any, one: Any, other: Any, asked: int) -> None:
    service, ask, _ = await cached()
    await ask(**one)
    await ask(**other)
    assert service.asked == asked


async def test_head_is_answered_from_a_kept_get(cached: Any) -> None:
    service, ask, _ = await cached()
    await ask()
    found = await ask(method="HEAD")
    assert (found.status, found.body, found.fields[b"content-length"], service.asked) == (200, b"", b"8", 1)


async def test_head_is_not_kept(cached: Any) -> None:
    service, ask, _ = await cached(Service(KEPT))
    service.bodies = lambda number: b""
    await ask(method="HEAD")
    await ask()
    assert service.asked == 2


async def test_declared_parameters_are_the_key_and_the_service_sees_no_others(cached: Any) -> None:
    service, ask, running = await cached(cache=", query: [page]")
    await ask("/?page=1&utm=a")
    await ask("/?utm=b&page=1")
    await ask("/?page=2")
    assert service.asked == 2
    assert running.shop.seen[0].startswith(b"GET /?page=1 HTTP/1.1")


# -- what may not be kept --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "why"),
    [
        (b"", b"200 OK", "no_freshness"),
        (b'ETag: "1"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n', b"200 OK", "no_freshness"),
        (b"Cache-Control: no-store, max-age=60\r\n", b"200 OK", "no_store"),
        (b"Cache-Control: max-age=60\r\nCache-Control: private\r\n", b"200 OK", "private"),
        (b'Cache-Control: private="x-a", max-age=60\r\n', b"200 OK", "private"),
        (b"Cache-Control: max-age=60, =\r\n", b"200 OK", "no_store"),
        (KEPT + b"Set-Cookie: a=b\r\n", b"200 OK", "set_cookie"),
        (KEPT + b"Vary: accept, *\r\n", b"200 OK", "vary_any"),
        (KEPT + b"Vary: X-Forwarded-For\r\n", b"200 OK", "vary_client"),
        (KEPT + b"Content-Encoding: gzip\r\n", b"200 OK", "encoded"),
        (b"Cache-Control: max-age=0\r\n", b"200 OK", "stale_at_once"),
        (b"Cache-Control: max-age=60\r\nAge: 60\r\n", b"200 OK", "stale_at_once"),
        (b"Cache-Control: max-age=60, max-age=70\r\n", b"200 OK", "stale_at_once"),
        (b"Cache-Control: no-cache\r\n", b"200 OK", "stale_at_once"),
        (b"Expires: 0\r\n", b"200 OK", "stale_at_once"),
        (KEPT, b"206 Partial Content", "status"),
        (KEPT, b"400 Bad Request", "status"),
        (KEPT, b"403 Forbidden", "status"),
        (KEPT, b"500 Oops", "status"),
    ],
)
async def test_what_is_not_kept(cached: Any, fields: bytes, status: bytes, why: str) -> None:
    service, ask, _ = await cached(Service(fields, status))
    first = await ask()
    await ask()
    assert service.asked == 2
    assert first.cache == f"gatehouse; fwd=uri-miss; fwd-status={first.status}; detail={why}"


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"404 Not Found", b"410 Gone"])
async def test_other_answers_are_kept_when_they_say_so(cached: Any, status: bytes) -> None:
    service, ask, _ = await cached(Service(KEPT + b"Location: /x\r\n", status))
    assert (await ask()).status == (await ask()).status == int(status[:3])
    assert service.asked == 1


async def test_a_large_answer_passes_and_is_not_kept(cached: Any) -> None:
    service, ask, running = await cached()
    service.bodies = lambda number: b"x" * 4097
    assert "detail=too_large" in (await ask()).cache
    assert (await ask()).body == b"x" * 4097
    assert service.asked == 2
    assert len(cache_filter(running).zone) == 0


async def test_an_answer_that_turns_out_large_is_not_kept(cached: Any, gateway: Any, upstream: Any) -> None:
    async def pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + KEPT + b"Transfer-Encoding: chunked\r\n\r\n")
        writer.write((b"%x\r\n%b\r\n" % (3000, b"x" * 3000)) * 2 + b"0\r\n\r\n")

    shop = await upstream(pieces)
    running = await gateway(config(shop.address))
    for _ in range(2):
        await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    zone = cache_filter(running).zone
    assert (len(shop.seen), len(zone), zone.collecting, zone.flights) == (2, 0, 0, {})


async def test_a_broken_answer_is_not_kept(gateway: Any, upstream: Any) -> None:
    async def breaks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + KEPT + b"Content-Length: 10\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

    shop = await upstream(breaks)
    running = await gateway(config(shop.address))
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    zone = cache_filter(running).zone
    assert (len(shop.seen), len(zone), zone.collecting, zone.pending, zone.flights) == (2, 0, 0, set(), {})


@pytest.mark.parametrize(
    "fields", ["Range: bytes=0-1\r\n", 'If-Match: "1"\r\n', "If-Unmodified-Since: x\r\n", 'If-Range: "1"\r\n']
)
async def test_what_passes_by(cached: Any, fields: str) -> None:
    service, ask, running = await cached()
    first = await ask(fields=fields)
    await ask()
    assert service.asked == 2
    assert first.cache.startswith("gatehouse; fwd=bypass; detail=")
    assert fields.encode().lower().strip() in running.shop.seen[0].lower()
    assert running.total("gateway_cache_requests_total", result="bypass") == 1


async def test_a_get_with_a_body_passes_by(cached: Any, gateway: Any, upstream: Any) -> None:
    service = Service()

    async def reads(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(3)
        await service(reader, writer)

    shop = await upstream(reads)
    running = await gateway(config(shop.address))
    raw = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbad")
    assert Answer(raw).cache == "gatehouse; fwd=bypass; detail=body"
    assert len(cache_filter(running).zone) == 0


# -- identities, and what is not in the key --------------------------------------------------------------------


@pytest.mark.parametrize("who", ["Authorization: Bearer a\r\n", "Cookie: session=a\r\n"])
@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (b"Cache-Control: max-age=60\r\n", 3),
        (b"Cache-Control: public, max-age=60\r\n", 1),
        (b"Cache-Control: s-maxage=60\r\n", 1),
        (b"Cache-Control: must-revalidate, max-age=60\r\n", 1),
        (b"Cache-Control: public, max-age=60\r\nVary: Authorization, Cookie\r\n", 3),
    ],
)
async def test_an_answer_to_somebody_is_for_others_only_if_it_says_so(
    cached: Any, who: str, fields: bytes, asked: int
) -> None:
    service, ask, _ = await cached(Service(fields))
    await ask(fields=who)
    await ask(fields=who.replace("a\r\n", "b\r\n"))
    await ask()
    assert service.asked == asked


async def test_an_answer_to_nobody_is_not_given_to_somebody(cached: Any) -> None:
    service, ask, _ = await cached()
    await ask()
    assert (await ask(fields="Cookie: session=a\r\n")).body == b"answer 2"
    assert (await ask()).body == b"answer 1"
    assert service.asked == 2


async def test_the_same_caller_gets_what_varies_by_it_again(cached: Any) -> None:
    service, ask, _ = await cached(Service(b"Cache-Control: public, max-age=60\r\nVary: Authorization\r\n"))
    for _ in range(2):
        await ask(fields="Authorization: Bearer a\r\n")
    assert service.asked == 1
    assert "fwd=vary-miss" in (await ask(fields="Authorization: Bearer b\r\n")).cache


POISON = (
    "X-Forwarded-Host: evil\r\nX-Forwarded-Proto: evil\r\nX-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\n"
    "X-HTTP-Method-Override: POST\r\nX-Host: evil\r\nForwarded: host=evil\r\nX-Anything: evil\r\nOrigin: evil\r\n"
    "Baggage: a=evil\r\nReferer: http://evil/\r\nConnection: x-evil\r\nX-Evil: evil\r\nTE: evil\r\n"
).replace("Connection: x-evil\r\n", "")


async def test_what_is_not_in_the_key_does_not_reach_the_service(cached: Any) -> None:
    service, ask, running = await cached()
    service.bodies = lambda number: running.shop.seen[-1]
    await ask(fields=POISON)
    got = await ask()
    assert service.asked == 1
    assert b"evil" not in got.body
    assert b"evil" not in running.shop.seen[0]
    assert b"x-forwarded-host: a" in running.shop.seen[0]


async def test_declared_headers_are_in_the_key_and_arrive(cached: Any) -> None:
    service, ask, running = await cached(cache=", headers: [X-Tenant]")
    await ask(fields="X-Tenant: one\r\n")
    await ask(fields="X-Tenant: two\r\n")
    await ask(fields="X-Tenant: one\r\n")
    assert service.asked == 2
    assert b"x-tenant: one" in running.shop.seen[0].lower()


async def test_answers_vary_by_what_the_service_says(cached: Any) -> None:
    service, ask, _ = await cached(Service(KEPT + b"Vary: Accept-Language\r\n"))
    one, two, again = [await ask(fields=f"Accept-Language: {x}\r\n") for x in ("de", "en", "de")]
    assert (one.body, two.body, again.body, service.asked) == (b"answer 1", b"answer 2", b"answer 1", 2)


async def test_the_service_is_asked_for_plain_answers(cached: Any) -> None:
    service, ask, running = await cached(Service(KEPT + b"Vary: Accept-Encoding\r\n"))
    await ask(fields="Accept-Encoding: gzip\r\n")
    await ask(fields="Accept-Encoding: br\r\n")
    assert service.asked == 1
    assert b"accept-encoding: identity" in running.shop.seen[0].lower()


async def test_routes_do_not_share_answers(gateway: Any, upstream: Any) -> None:
    one, two = await upstream(answer(b"one")), await upstream(answer(b"two"))
    running = await gateway(f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: one, endpoints: ["{one.address}"]}}, {{name: two, endpoints: ["{two.address}"]}}]
caches: [{{name: main}}]
filters: [{{type: Cache, cache: main}}]
routes:
  - {{name: plain, public: true, backendRefs: [{{cluster: one}}]}}
  - name: canary
    public: true
    matches: [{{headers: [{{name: x-canary, value: "yes"}}]}}]
    backendRefs: [{{cluster: two}}]
""")
    bodies = []
    for fields in (b"", b"X-Canary: yes\r\n", b"", b"X-Canary: yes\r\n"):
        raw = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%b\r\n" % fields)
        bodies.append(Answer(raw).body)
    assert bodies == [b"one", b"two", b"one", b"two"]
    assert (len(one.seen), len(two.seen)) == (1, 1)


# -- filters in front decide about hits ------------------------------------------------------------------------


async def test_filters_in_front_decide_about_each_request(cached: Any) -> None:
    limit = "{type: RateLimit, requests: 2, burst: 2}, "
    service, ask, _ = await cached(filters=limit)
    assert [(await ask()).status for _ in range(3)] == [200, 200, 429]
    assert service.asked == 1


async def test_filters_in_front_change_what_comes_from_memory(cached: Any) -> None:
    modifier = "{type: ResponseHeaderModifier, set: [{name: x-mark, value: front}]}, "
    _, ask, _ = await cached(filters=modifier)
    assert [(await ask()).fields[b"x-mark"] for _ in range(2)] == [b"front", b"front"]


async def test_what_filters_in_front_say_of_one_client_is_not_kept(cached: Any) -> None:
    cors = '{type: CORS, allowOrigins: ["https://one.test", "https://two.test"]}, '
    service, ask, _ = await cached(filters=cors)
    one = await ask(fields="Origin: https://one.test\r\n")
    two = await ask(fields="Origin: https://two.test\r\n")
    assert service.asked == 1
    assert one.fields[b"access-control-allow-origin"] == b"https://one.test"
    assert two.fields[b"access-control-allow-origin"] == b"https://two.test"


# -- validation ------------------------------------------------------------------------------------------------

OLD = b'Cache-Control: max-age=60\r\nAge: 60\r\nETag: "1"\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n'


async def test_a_stale_answer_is_validated_and_made_fresh(cached: Any) -> None:
    service, ask, running = await cached(Service(OLD))
    await ask()
    service.status, service.fields = b"304 Not Modified", b'Cache-Control: max-age=60\r\nETag: "1"\r\nX-New: yes\r\n'
    second, third = await ask(), await ask()
    assert service.asked == 2
    assert b'if-none-match: "1"' in running.shop.seen[1].lower()
    assert b"if-modified-since: sun, 06 nov 1994" in running.shop.seen[1].lower()
    assert (second.status, second.body, second.fields[b"x-new"]) == (200, b"answer 1", b"yes")
    assert second.cache == "gatehouse; fwd=stale; fwd-status=304"
    assert third.cache == "gatehouse; hit; ttl=_"
    assert running.total("gateway_cache_requests_total", result="revalidated") == 1


async def test_a_changed_answer_replaces_the_kept_one(cached: Any) -> None:
    service, ask, running = await cached(Service(OLD))
    await ask()
    service.fields = KEPT
    assert [(await ask()).body for _ in range(2)] == [b"answer 2", b"answer 2"]
    assert len(cache_filter(running).zone) == 1


async def test_a_304_that_forbids_keeping_ends_it(cached: Any) -> None:
    service, ask, running = await cached(Service(OLD))
    await ask()
    service.status, service.fields = b"304 Not Modified", b"Cache-Control: no-store\r\n"
    found = await ask()
    assert (found.status, found.body) == (200, b"answer 1")
    assert len(cache_filter(running).zone) == 0


async def test_a_304_about_another_version_is_used_once(cached: Any) -> None:
    service, ask, running = await cached(Service(OLD))
    await ask()
    service.status, service.fields = b"304 Not Modified", b'Cache-Control: max-age=60\r\nETag: "2"\r\n'
    assert "detail=other_version" in (await ask()).cache
    assert len(cache_filter(running).zone) == 0


async def test_no_cache_is_validated_each_time(cached: Any) -> None:
    service, ask, _ = await cached(Service(b'Cache-Control: no-cache="set-cookie"\r\nETag: "1"\r\n'))
    await ask()
    service.status = b"304 Not Modified"
    for _ in range(2):
        assert (await ask()).cache == "gatehouse; fwd=stale; fwd-status=304"
    assert service.asked == 3


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ('If-None-Match: "1"\r\n', 304),
        ('If-None-Match: W/"1"\r\n', 304),
        ('If-None-Match: "0", "1"\r\n', 304),
        ('If-None-Match: "0"\r\nIf-None-Match: "1"\r\n', 304),
        ("If-None-Match: *\r\n", 304),
        ('If-None-Match: "2"\r\n', 200),
        ('If-None-Match: "0\r\n', 200),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 304),
        ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200),
        ("If-Modified-Since: yesterday\r\n", 200),
        ('If-None-Match: "2"\r\nIf-Modified-Since: Sun, 06 Nov 2044 08:49:37 GMT\r\n', 200),
    ],
)
async def test_what_the_client_has_is_compared_here(cached: Any, fields: str, status: int) -> None:
    service, ask, running = await cached(Service(OLD.replace(b"Age: 60\r\n", b"")))
    first = await ask(fields=fields)  # nothing is kept yet: the service is asked for the whole
    assert first.status == status
    assert b"if-" not in running.shop.seen[0].lower()
    for method in ("GET", "HEAD"):
        found = await ask(fields=fields, method=method)
        assert found.status == status
        assert (found.body == b"") == (status == 304 or method == "HEAD")
        assert found.fields[b"etag"] == b'"1"'
    assert service.asked == 1


# -- stale answers ---------------------------------------------------------------------------------------------

STALE = b"Cache-Control: max-age=60, stale-if-error=600, stale-while-revalidate=600\r\nAge: 60\r\n"


@pytest.mark.parametrize("status", [b"500 Oops", b"502 Bad", b"503 Away", b"504 Slow"])
async def test_an_error_is_answered_with_what_is_kept(cached: Any, status: bytes) -> None:
    service, ask, running = await cached(Service(STALE))
    await ask()
    service.status = status
    second, third = await ask(), await ask()
    assert (second.status, second.body) == (200, b"answer 1")
    assert second.cache == f"gatehouse; fwd=stale; fwd-status={status[:3].decode()}; detail=stale_if_error"
    assert third.cache == "gatehouse; hit; ttl=_"  # a service that fails is asked once in a second
    assert service.asked == 2
    assert running.total("gateway_cache_requests_total", result="stale") == 2


async def test_a_service_that_is_away_is_answered_for(cached: Any) -> None:
    _, ask, running = await cached(Service(STALE))
    await ask()
    running.shop.server.close()
    for task in running.shop.tasks:
        task.cancel()
    found = await ask()
    assert (found.status, found.body) == (200, b"answer 1")
    assert "detail=stale_if_error" in found.cache


@pytest.mark.parametrize("more", [b", must-revalidate", b", proxy-revalidate", b", s-maxage=60", b", no-cache"])
async def test_what_must_be_validated_is_never_given_stale(cached: Any, more: bytes) -> None:
    service, ask, _ = await cached(Service(STALE.replace(b"\r\nAge", more + b'\r\nETag: "1"\r\nAge')))
    await ask()
    service.status = b"503 Away"
    assert (await ask()).status == 503


async def test_while_one_asks_the_others_get_the_stale_one(cached: Any) -> None:
    service, ask, _ = await cached(Service(STALE))
    await ask()
    service.gate = asyncio.Event()
    leader = asyncio.create_task(ask())
    while service.asked < 2:
        await asyncio.sleep(0)
    others = [await ask() for _ in range(3)]
    assert [one.body for one in others] == [b"answer 1"] * 3
    assert {one.cache for one in others} == {"gatehouse; hit; ttl=_"}
    service.gate.set()
    assert (await leader).body == b"answer 2"
    assert service.asked == 2


# -- the client's own directives -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", ["Cache-Control: no-cache\r\n", "Cache-Control: max-age=0\r\n", "Pragma: no-cache\r\n",
               "Cache-Control: min-fresh=61\r\n"],
)  # fmt: skip
@pytest.mark.parametrize(("mode", "asked"), [("ignore", 1), ("respect", 2)])
async def test_fresher_answers_on_demand(cached: Any, fields: str, mode: str, asked: int) -> None:
    service, ask, _ = await cached(Service(KEPT + b"Age: 1\r\n"), cache=f", clientDirectives: {mode}")
    await ask()
    found = await ask(fields=fields)
    assert service.asked == asked
    assert ("fwd=request" in found.cache) == (asked == 2)


@pytest.mark.parametrize(("said", "asked"), [("max-stale", 1), ("max-stale=100", 1), ("max-stale=1", 2)])
async def test_older_answers_on_demand(cached: Any, said: str, asked: int) -> None:
    fields = b'Cache-Control: max-age=60\r\nAge: 90\r\nETag: "1"\r\n'
    service, ask, _ = await cached(Service(fields), cache=", clientDirectives: respect")
    await ask()
    await ask(fields=f"Cache-Control: {said}\r\n")
    assert service.asked == asked


@pytest.mark.parametrize("more", ["must-revalidate", "proxy-revalidate", "s-maxage=60", "no-cache"])
async def test_what_must_be_validated_is_not_given_on_demand_either(cached: Any, more: str) -> None:
    fields = f'Cache-Control: max-age=60, {more}, stale-while-revalidate=600\r\nAge: 90\r\nETag: "1"\r\n'
    service, ask, _ = await cached(Service(fields.encode()), cache=", clientDirectives: respect")
    await ask()
    await ask(fields="Cache-Control: max-stale\r\n")
    assert service.asked == 2


async def test_only_if_cached(cached: Any) -> None:
    service, ask, _ = await cached()
    assert (await ask(fields="Cache-Control: only-if-cached\r\n")).status == 504
    assert service.asked == 0
    await ask()
    assert (await ask(fields="Cache-Control: only-if-cached\r\n")).status == 200


async def test_a_request_that_forbids_keeping_is_obeyed_and_served(cached: Any) -> None:
    service, ask, _ = await cached()
    assert "detail=no_store" in (await ask(fields="Cache-Control: no-store\r\n")).cache
    await ask()
    assert (await ask(fields="Cache-Control: no-store\r\n")).cache == "gatehouse; hit; ttl=_"
    assert service.asked == 2


# -- writes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "UNKNOWN"])
@pytest.mark.parametrize(("status", "asked"), [(b"200 OK", 2), (b"303 See", 2), (b"409 Conflict", 1), (b"500 X", 1)])
async def test_a_successful_write_ends_what_it_changed(cached: Any, method: str, status: bytes, asked: int) -> None:
    service, ask, _ = await cached()
    await ask("/x?a=1")
    await ask("/y")
    service.status = status
    assert (await ask("/x", method=method)).cache == "gatehouse; fwd=method"
    service.status, service.asked = b"200 OK", 0
    await ask("/x?a=1")
    await ask("/y")
    assert service.asked == asked - 1


async def test_what_was_asked_for_before_a_write_is_not_kept(cached: Any) -> None:
    service, ask, running = await cached()
    service.gate = asyncio.Event()
    before = asyncio.create_task(ask("/x"))
    while service.asked < 1:
        await asyncio.sleep(0)
    service.gate, gate = None, service.gate
    await ask("/x", method="DELETE")
    gate.set()
    assert (await before).body == b"answer 1"
    assert len(cache_filter(running).zone) == 0


# -- coalescing ------------------------------------------------------------------------------------------------


async def together(service: Service, ask: Ask, number: int, **how: Any) -> list[asyncio.Task[Answer]]:
    """Requests at one time, of which the first has reached the service."""
    service.gate = asyncio.Event()
    before = service.asked
    tasks = [asyncio.create_task(ask(**how))]
    while service.asked == before:
        await asyncio.sleep(0)
    tasks += [asyncio.create_task(ask(**how)) for _ in range(number - 1)]
    return tasks


def waiting(running: Any) -> int:
    return sum(len(flight) for flight in cache_filter(running).zone.flights.values())


async def test_simultaneous_requests_make_one(cached: Any) -> None:
    service, ask, running = await cached()
    tasks = await together(service, ask, 20)
    await until(lambda: waiting(running) == 19)
    service.gate.set()
    answers = await asyncio.gather(*tasks)
    assert {one.body for one in answers} == {b"answer 1"}
    assert service.asked == 1
    assert [one.cache for one in answers[1:]] == ["gatehouse; fwd=uri-miss; collapsed"] * 19
    assert running.total("gateway_cache_requests_total", result="coalesced") == 19
    assert cache_filter(running).zone.flights == {}


async def test_when_the_answer_may_not_be_kept_all_ask_and_nobody_waits_next_time(cached: Any) -> None:
    service, ask, running = await cached(Service(b"Cache-Control: private\r\n"))
    tasks = await together(service, ask, 5)
    await until(lambda: waiting(running) == 4)
    service.gate.set()
    await asyncio.gather(*tasks)
    assert service.asked == 5
    again = await together(service, ask, 5)
    await until(lambda: service.asked == 10)  # though none of them is answered yet
    service.gate.set()
    await asyncio.gather(*again)
    assert cache_filter(running).zone.flights == {}


async def test_when_the_leader_fails_one_after_the_other_leads(cached: Any) -> None:
    service, ask, running = await cached(Service(status=b"503 Away"))
    tasks = await together(service, ask, 4)
    await until(lambda: waiting(running) == 3)
    gate, service.gate = service.gate, asyncio.Event()
    gate.set()
    assert (await tasks[0]).status == 503
    await until(lambda: service.asked == 2)
    assert waiting(running) == 2
    service.status = b"200 OK"
    service.gate.set()
    statuses = sorted([(await one).status for one in tasks[1:]])
    assert statuses == [200, 200, 503]
    assert service.asked == 3


async def test_when_the_leaders_client_leaves_another_leads(cached: Any) -> None:
    service, ask, running = await cached()
    tasks = await together(service, ask, 4)
    await until(lambda: waiting(running) == 3)
    tasks[0].cancel()
    await until(lambda: service.asked == 2)
    service.gate.set()
    assert {(await one).body for one in tasks[1:]} == {b"answer 2"}
    assert service.asked == 2


async def test_who_waits_and_leaves_is_forgotten(cached: Any) -> None:
    service, ask, running = await cached()
    tasks = await together(service, ask, 4)
    await until(lambda: waiting(running) == 3)
    for one in tasks[1:]:
        one.cancel()
    await until(lambda: waiting(running) == 0)
    service.gate.set()
    await tasks[0]
    zone = cache_filter(running).zone
    assert (zone.flights, zone.pending, zone.collecting) == ({}, set(), 0)
    await until(lambda: not running.worker.exchanges)


async def test_who_has_waited_long_enough_asks_alone(cached: Any) -> None:
    service, ask, running = await cached(cache=", maxWait: 50ms")
    tasks = await together(service, ask, 3)
    await until(lambda: service.asked == 3)
    service.gate.set()
    await asyncio.gather(*tasks)
    assert cache_filter(running).zone.flights == {}


async def test_who_is_somebody_does_not_wait_for_an_answer_to_nobody(cached: Any) -> None:
    service, ask, _ = await cached()
    tasks = await together(service, ask, 1)
    tasks += [asyncio.create_task(ask(fields="Cookie: a=b\r\n"))]
    await until(lambda: service.asked == 2)
    service.gate.set()
    assert {(await one).body for one in tasks} == {b"answer 1", b"answer 2"}


async def test_coalescing_can_be_switched_off(cached: Any) -> None:
    service, ask, _ = await cached(cache=", coalesce: false")
    tasks = await together(service, ask, 3)
    await until(lambda: service.asked == 3)
    service.gate.set()
    await asyncio.gather(*tasks)


# -- reloads ---------------------------------------------------------------------------------------------------


async def test_a_reload_keeps_what_is_kept_and_a_changed_memory_begins_empty(cached: Any) -> None:
    service, ask, running = await cached()
    await ask()
    running.apply(config(running.shop.address, cache=", maxWait: 1s"))
    await ask()
    assert service.asked == 1
    running.apply(config(running.shop.address).replace("65536", "65537"), 3)
    await ask()
    assert service.asked == 2

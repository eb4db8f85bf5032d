"""Authorize, header modifiers, rewrites, redirects, and the chain around them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.filters.authorize import AuthorizeFilter
from gateway.filters.base import Filter
from gateway.filters.chain import Chain, Stopped, Waiting
from gateway.filters.header_modifier import RequestHeaderModifierFilter, ResponseHeaderModifierFilter
from gateway.filters.redirect import RequestRedirectFilter
from gateway.filters.url_rewrite import UrlRewriteFilter
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.filters import (
    Authorize,
    Header,
    PathModifier,
    RequestHeaderModifier,
    RequestRedirect,
    ResponseHeaderModifier,
    UrlRewrite,
)
from gateway.spec.models import FilterSpec


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        (None, "not_authenticated"),
        ({}, "insufficient_scope"),
        ({"scope": "orders:read"}, "insufficient_scope"),
        ({"scope": "orders:readorders:write"}, "insufficient_scope"),
        ({"scope": ["orders:read", "orders:write"]}, "insufficient_scope"),
        ({"scope": "orders:write orders:read"}, "claim_not_allowed"),
        ({"scope": "orders:write orders:read", "roles": ["customer"]}, "claim_not_allowed"),
        ({"scope": "orders:write orders:read", "roles": ["customer", "admin"]}, None),
        ({"scope": "a orders:write b orders:read", "roles": "admin"}, None),
    ],
)
def test_authorize(build: Any, ask: Any, claims: dict[str, Any] | None, reason: str | None) -> None:
    spec = Authorize(scopes=("orders:read", "orders:write"), claims={"roles": ("admin", "support")})
    one = AuthorizeFilter(spec, build())
    for _ in range(2):
        request = ask()
        request.claims = claims
        reply = one.decide(request)
        assert (reply.reason if isinstance(reply, Reply) else None) == reason


def test_request_headers(build: Any, ask: Any) -> None:
    spec = RequestHeaderModifier(
        set=(Header(name="X-Set", value="new"),), add=(Header(name="x-add", value="two"),), remove=("X-Gone",)
    )
    request = ask("/", "X-Set: old", "X-Set: older", "X-Add: one", "X-Gone: 1")
    assert RequestHeaderModifierFilter(spec, build()).decide(request) is None
    assert request.headers[1:] == [(b"x-add", b"one"), (b"x-set", b"new"), (b"x-add", b"two")]
    assert request.fields[b"x-set"] == b"new"


def test_response_headers(build: Any, ask: Any) -> None:
    spec = ResponseHeaderModifier(set=(Header(name="server", value="ours"),), remove=("x-powered-by",))
    response = Response(200, [(b"server", b"theirs"), (b"x-powered-by", b"x")], {}, 0, True)
    ResponseHeaderModifierFilter(spec, build()).on_response(ask(), response)
    assert response.headers == [(b"server", b"ours")]


@pytest.mark.parametrize(
    ("kind", "value", "path", "prefix", "expected"),
    [
        ("ReplacePrefixMatch", "/", "/auth/login", "/auth", "/login"),
        ("ReplacePrefixMatch", "/", "/auth", "/auth", "/"),
        ("ReplacePrefixMatch", "/v2", "/orders/1/items", "/orders", "/v2/1/items"),
        ("ReplacePrefixMatch", "/v2/", "/orders", "/orders", "/v2"),
        ("ReplacePrefixMatch", "/v2", "/orders/1", "", "/v2/orders/1"),
        ("ReplaceFullPath", "/fixed", "/orders/1", "/orders", "/fixed"),
    ],
)
def test_rewrite(build: Any, ask: Any, kind: Any, value: str, path: str, prefix: str, expected: str) -> None:
    request = ask(path)
    request.matched = prefix
    one = UrlRewriteFilter(UrlRewrite(path=PathModifier(type=kind, value=value)), build())
    assert one.decide(request) is None
    assert (request.target_path, request.path) == (expected, path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/auth/resets/7/complete", "/resets/7/complete"), ("/auth", "/"), ("/author/7", "/author/7")],
)
def test_a_route_by_regular_expression_names_what_is_replaced(build: Any, ask: Any, path: str, expected: str) -> None:
    modifier = PathModifier(type="ReplacePrefixMatch", prefix="/auth", value="/")
    request = ask(path)
    assert UrlRewriteFilter(UrlRewrite(path=modifier), build()).decide(request) is None
    assert request.target_path == expected


@pytest.mark.parametrize(
    ("spec", "host", "location"),
    [
        (RequestRedirect(scheme="https"), "shop.test:8088", "https://shop.test/orders/1?x=1"),
        (RequestRedirect(scheme="https", port=8443), "shop.test:8088", "https://shop.test:8443/orders/1?x=1"),
        (RequestRedirect(hostname="other.test"), "shop.test:8088", "http://other.test:8088/orders/1?x=1"),
        (
            RequestRedirect(path=PathModifier(type="ReplaceFullPath", value="/new"), status_code=301),
            "shop.test",
            "http://shop.test/new?x=1",
        ),
    ],
)
def test_redirect(build: Any, ask: Any, spec: RequestRedirect, host: str, location: str) -> None:
    reply = RequestRedirectFilter(spec, build()).decide(ask("/orders/1?x=1", host=host))
    assert isinstance(reply, Reply)
    assert reply.status == spec.status_code
    assert dict(reply.headers)[b"location"].decode() == location


class Step(Filter[FilterSpec]):
    """A filter that does what the test tells it."""

    Spec = FilterSpec

    def __init__(self, name: str, outcome: Any, seen: list[str]) -> None:
        self.spec = FilterSpec(type=name)
        self.where = f"test.yaml:{name}"
        self._outcome = outcome
        self._seen = seen

    def decide(self, request: Request) -> Any:
        self._seen.append(f"{self.name} decides")
        return self._outcome() if callable(self._outcome) else self._outcome

    def commit(self, request: Request) -> None:
        self._seen.append(f"{self.name} commits")

    def on_response(self, request: Request, response: Response) -> None:
        self._seen.append(f"{self.name} answers")


DENY = Reply(403, "no", "")


def test_the_chain_stops_where_a_filter_replies(ask: Any) -> None:
    seen: list[str] = []
    chain = Chain([Step("a", None, seen), Step("b", DENY, seen), Step("c", None, seen)], Metrics())
    outcome = chain.run(ask())
    assert isinstance(outcome, Stopped)
    assert (outcome.reply, outcome.filter.name) == (DENY, "b")
    assert seen == ["a decides", "a commits", "b decides"]


async def test_the_chain_goes_on_after_waiting(ask: Any) -> None:
    async def later(reply: Reply | None) -> Reply | None:
        seen.append("waited")
        return reply

    seen: list[str] = []
    chain = Chain([Step("a", lambda: later(None), seen), Step("b", lambda: later(DENY), seen)], Metrics())
    request = ask()
    waiting = chain.run(request)
    assert isinstance(waiting, Waiting)
    stopped = await chain.resume(waiting, request)
    assert isinstance(stopped, Stopped)
    assert stopped.reply is DENY
    assert seen == ["a decides", "waited", "a commits", "b decides", "waited"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_filter_that_fails_denies_and_is_counted(ask: Any, waits: bool) -> None:
    def fail() -> Any:
        raise RuntimeError("a bug in a filter")

    async def fail_later() -> Any:
        fail()

    metrics = Metrics()
    chain = Chain([Step("a", fail_later if waits else fail, [])], metrics)
    request = ask()
    outcome = chain.run(request)
    if isinstance(outcome, Waiting):
        outcome = await chain.resume(outcome, request)
    assert isinstance(outcome, Stopped)
    assert (outcome.reply.status, outcome.reply.reason) == (500, "filter_error")
    assert metrics.filter_errors.values == {("a",): 1}


def test_answers_are_seen_in_reverse(ask: Any) -> None:
    seen: list[str] = []
    chain = Chain([Step("a", None, seen), Step("b", None, seen)], Metrics())
    chain.respond(ask(), Response(200, [], {}, 0, True))
    assert seen == ["b answers", "a answers"]

"""Each check finds what it is for, where it stands, and leaves alone what is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from gateway.audit.checks import CHECKS
from gateway.audit.checks.mediated_get import says_change
from gateway.audit.model import Running, Seen, System
from gateway.audit.openapi import Operation
from gateway.spec.models import Cluster, FilterSpec, Route

HEAD = """\
listeners: [{name: public, port: 8088}]
providers:
  - {name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: shop, path: /jwks}}
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
"""
JWT = "{type: JWT, provider: id}"
SHOP = "backendRefs: [{cluster: shop}]"


def public(name: str = "open", match: str = "{}", more: str = "") -> str:
    return f"  - {{name: {name}, public: true, matches: [{match}], {more + ', ' if more else ''}{SHOP}}}\n"


def closed(name: str = "closed", match: str = "{}", filters: str = JWT, more: str = "") -> str:
    return f"  - {{name: {name}, matches: [{match}], filters: [{filters}], {more + ', ' if more else ''}{SHOP}}}\n"


def test_ids_are_unique_and_every_check_says_why_and_how() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    for check in CHECKS:
        assert check.title
        assert check.why.endswith(".")
        assert check.fix.endswith(".")


# -- who may do what


def test_public_write(told: Any) -> None:
    assert told("public-write", public(match="{method: POST}, {method: GET}")) == [
        "route open: everybody may send POST"
    ]
    assert told("public-write", public()) == ["route open: everybody may send any method"]
    assert told("public-write", public(match="{method: GET}") + closed(match="{method: POST}")) == []
    redirect = "  - {name: old, public: true, filters: [{type: RequestRedirect, hostname: new.test}]}"
    assert told("public-write", redirect) == []


WITH_TOKEN = "{path: {value: /q}, method: POST, headers: [{name: Authorization, type: RegularExpression, value: .*}]}"


def test_public_beside_protected(told: Any, look: Any, system: Any) -> None:
    both = closed(match=WITH_TOKEN) + public(match="{path: {value: /q}}")
    assert told("public-beside-protected", both) == [
        "route open: takes requests of route closed that leave out authorization"
    ]
    assert look("public-beside-protected", system(both))[0].path == ("routes", 1, "matches", 0)
    below = closed(match=WITH_TOKEN.replace("/q", "/q/1").replace("value: /q/1", "type: Exact, value: /q/1"))
    assert told("public-beside-protected", below + public(match="{path: {value: /q}}"))
    for harmless in ("{path: {value: /other}}", "{path: {value: /q}, method: GET}"):
        assert told("public-beside-protected", closed(match=WITH_TOKEN) + public(match=harmless)) == []
    # Without conditions the protected route wins for all of its path: there is nothing to leave out.
    assert (
        told("public-beside-protected", closed(match="{path: {value: /q}}") + public(match="{path: {value: /}}")) == []
    )


def test_any_token(told: Any) -> None:
    assert told("any-token", closed()) == ["route closed: every valid token may call it, whatever it is for"]
    assert told("any-token", closed(filters=f"{JWT}, {{type: Authorize, scopes: [read]}}")) == []
    assert told("any-token", public()) == []


@pytest.mark.parametrize(
    ("seconds", "severity"), [((600.0, 3_600.0), "none"), ((600.0, 7_200.0), None), ((90_000.0,), "high")]
)
def test_long_lived_tokens(look: Any, system: Any, seconds: tuple[float, ...], severity: str | None) -> None:
    found = look("long-lived-tokens", system(closed(), running=Running(token_seconds=seconds)))
    assert [one.severity for one in found] == ([] if severity == "none" else [severity])
    assert look("long-lived-tokens", system(closed())) == []


REVOKING = HEAD.replace("path: /jwks}", "path: /jwks}, revocation: {store: s, onStoreFailure: fail_open}").replace(
    "clusters:", 'stores: [{name: s, address: "127.0.0.1:6379"}]\nclusters:'
)


def test_long_lived_tokens_that_can_be_taken_back(look: Any, system: Any) -> None:
    (found,) = look("long-lived-tokens", system(closed(), head=REVOKING, running=Running(token_seconds=(90_000.0,))))
    assert (found.severity, "can be taken back" in found.detail) == ("low", True)


def test_no_revocation(told: Any) -> None:
    assert told("no-revocation", closed()) == ["provider id: its tokens are good until they expire"]
    assert told("no-revocation", closed(), head=REVOKING) == []


def test_token_passed_on(told: Any) -> None:
    head = HEAD.replace("clusters: [", 'clusters: [{name: other, endpoints: ["127.0.0.1:8"]}, ')
    passed = closed().replace("cluster: shop", "cluster: other")
    assert told("token-passed-on", passed, head=head) == ["route closed: other gets the caller's token"]
    assert told("token-passed-on", closed(), head=head) == []  # its own issuer
    assert told("token-passed-on", public().replace("cluster: shop", "cluster: other"), head=head) == []
    keys = "  - {name: keys, public: true, matches: [{path: {value: /keys}}], filters: [{type: Jwks}]}\n"
    exchanged = closed(filters=f"{JWT}, {{type: InternalToken, audiences: [other]}}") + keys
    assert told("token-passed-on", exchanged.replace("cluster: shop", "cluster: other"), head=head) == []
    removed = closed(filters=f"{JWT}, {{type: RequestHeaderModifier, remove: [Authorization]}}")
    assert told("token-passed-on", removed.replace("cluster: shop", "cluster: other"), head=head) == []


def test_a_webhook_is_for_one_thing(told: Any, tmp_path: Any) -> None:
    hook = "{type: WebhookSignature, sender: pay, secrets: [whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}"
    assert told("any-token", closed(filters=hook)) == []


def test_slow_key_refresh(told: Any) -> None:
    slow = HEAD.replace("path: /jwks", "path: /jwks, refresh: 1h")
    assert told("slow-key-refresh", head=slow) == ["provider id: keys are fetched every 60 minutes"]
    assert told("slow-key-refresh") == []


# -- how much, and for how long

LIMIT = "{type: RateLimit, requests: 5}"


def test_no_limit(look: Any, system: Any, told: Any) -> None:
    found = look("no-limit", system(public() + closed()))
    assert [(one.subject, one.severity) for one in found] == [("route open", "high"), ("route closed", None)]
    assert told("no-limit", public(more=f"filters: [{LIMIT}]")) == []
    assert told("no-limit", public(), head=f"{HEAD}filters: [{LIMIT}]\n") == []
    shadow = "{type: RateLimit, requests: 5, enforced: false}"
    assert told("no-limit", public(more=f"filters: [{shadow}]")) != []


def test_limit_by_header(told: Any) -> None:
    by_header = "{type: RateLimit, name: h, requests: 5, key: {type: Header, name: X-Id}}"
    assert told("limit-by-header", public(more=f"filters: [{by_header}]")) == [
        "route open: its limit counts by header X-Id, which clients choose"
    ]
    assert told("limit-by-header", public(more=f"filters: [{by_header}, {LIMIT}]")) == []
    assert told("limit-by-header", public(more=f"filters: [{by_header[:-1]}, enforced: false}}]")) == []
    assert told("limit-by-header", public()) == []


def test_unenforced_schema(told: Any, tmp_path: Path) -> None:
    document = tmp_path / "api.yaml"
    document.write_text("openapi: 3.1.0\npaths: {/a: {get: {}}}")
    held = f"{{type: OpenApiValidation, document: {document}}}"
    assert told("unenforced-schema", public(more=f"filters: [{held}]")) == []
    loose = held.replace("}", ", undocumented: report, request: {body: off}}")
    (found,) = told("unenforced-schema", public(more=f"filters: [{loose}]"))
    assert found.endswith("operations and bodies that its document does not describe pass")


def test_shadow_limit(look: Any, system: Any, told: Any) -> None:
    shadow = "{type: RateLimit, requests: 5, enforced: false}"
    at = system(closed(filters=f"{JWT}, {shadow}"), head=f"{HEAD}filters: [{shadow.replace('5', '5, name: all')}]\n")
    found = look("shadow-limit", at)
    assert [(one.path, one.subject) for one in found] == [
        (("filters", 0), "all routes"),
        (("routes", 0, "filters", 1), "route closed"),
    ]
    assert told("shadow-limit", public(more=f"filters: [{LIMIT}]")) == []


def test_unwatched_endpoints(look: Any, system: Any) -> None:
    def found(keys: str, running: Running | None = None) -> list[str]:
        text = HEAD.replace('endpoints: ["127.0.0.1:9"]', keys)
        return [one.detail for one in look("unwatched-endpoints", system(public(), head=text, running=running))]

    two = 'endpoints: ["127.0.0.1:9", "127.0.0.1:10"]'
    assert found(two) == ["2 endpoints, neither outlierDetection nor healthCheck"]
    assert found(f"{two}, outlierDetection: {{}}") == []
    assert found(f"{two}, healthCheck: {{path: /}}") == []
    assert found('endpoints: ["127.0.0.1:9"]') == []
    assert found("service: shop", Running(endpoints={"shop": ("127.0.0.1:1", "127.0.0.1:2")})) != []


def test_no_time_out(look: Any, system: Any, told: Any) -> None:
    endless = public(more="timeouts: {request: 0s}")
    assert told("no-time-out", endless) == ["route open: an exchange may last as long as bytes come every 60 s"]
    (worse,) = look("no-time-out", system(public(more="timeouts: {request: 0s, idle: 0s}")))
    assert (worse.severity, worse.path[2:]) == ("high", ("timeouts", "idle"))
    assert told("no-time-out", public()) == []


def test_slow_clients(told: Any) -> None:
    listener = "{name: public, port: 8088"
    slow = HEAD.replace(listener, f"{listener}, headerTimeout: 2m, minBodyRate: 0")
    assert told("slow-clients", head=slow) == [
        "listener public: a body may arrive as slowly as it likes",
        "listener public: a head may take 120 s",
    ]
    graceful = HEAD.replace(listener, f"{listener}, bodyGrace: 10m")
    assert told("slow-clients", head=graceful) == ["listener public: a body may be slow for 600 s"]
    assert told("slow-clients") == []


class Retried(Route):
    """A route as it will be with retries."""

    retries: dict[str, Any] = {}  # noqa: RUF012  (pydantic copies it)


class RetriedCluster(Cluster):
    """Or a cluster."""

    retry: dict[str, Any] = {}  # noqa: RUF012


def test_unguarded_canary(told: Any) -> None:
    def canary(rollback: str) -> tuple[str, str]:
        more = 'clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}, {name: next, endpoints: ["127.0.0.1:8"]}]'
        route = public(more=f"canary: {{cluster: next, rollback: {rollback}}}")
        return route, HEAD.replace('clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]', more)

    route, head = canary("{errorRatio: 1.0}")
    assert told("unguarded-canary", route, head=head) == ["route open: neither errors nor latency take it back"]
    for enough in ("{}", "{errorRatio: 1.0, latency: {max: 1s}}"):
        assert told("unguarded-canary", canary(enough)[0], head=head) == []
    assert told("unused", route, head=head) == ["provider id: is named by nothing"]  # and not the canary's cluster


def test_mirrored_credentials(told: Any) -> None:
    def mirror(more: str) -> str:
        return public(more=f"filters: [{{type: RequestMirror, cluster: shop{more}}}]")

    assert told("mirrored-credentials", mirror(", withhold: [cookie]")) == [
        "route open: copies to shop carry authorization"
    ]
    assert told("mirrored-credentials", mirror("")) == []


def test_retry_write(look: Any, system: Any) -> None:
    before = system(public())
    route = Retried(name="pay", retries={"methods": ["GET", "POST"]})
    cluster = RetriedCluster(name="bank", retry={"methods": ["PATCH"]})
    spec = before.spec.model_copy(update={"routes": (route,), "clusters": (cluster,)})
    found = look("retry-write", System(spec, before.authenticating))
    assert [(one.subject, one.detail) for one in found] == [
        ("route pay", "POST may be sent again after a failure"),
        ("cluster bank", "PATCH may be sent again after a failure"),
    ]
    harmless = before.spec.model_copy(update={"routes": (Retried(name="get", retries={"methods": ["GET"]}),)})
    assert look("retry-write", System(harmless, before.authenticating)) == []


def test_retry_write_by_the_keys_of_a_route(told: Any) -> None:
    assert told("retry-write", public(more="retry: {methods: [GET, POST]}")) == [
        "route open: POST may be sent again after a failure"
    ]
    assert told("retry-write", public(more="retry: {idempotencyKeys: true}")) == []


def test_planted_faults(told: Any) -> None:
    assert told("planted-faults", public(more="faults: {delay: {percent: 2.5, duration: 1s}}")) == [
        "route open: 2.5 % of tries begin 1 s late"
    ]
    assert told("planted-faults", public()) == []


# -- on the wire, and in the browser


def test_plain_listener(told: Any) -> None:
    outside = HEAD.replace("port: 8088", "address: 0.0.0.0, port: 8088")
    assert told("plain-listener", head=outside) == ["listener public: plain HTTP on 0.0.0.0"]
    assert told("plain-listener") == []


def test_plain_upstream(told: Any) -> None:
    far = HEAD.replace('["127.0.0.1:9"]', '["127.0.0.1:9", "192.0.2.1:80", "[::1]:8", "localhost:7"]')
    assert told("plain-upstream", head=far) == ["cluster shop: plain HTTP to 192.0.2.1:80"]
    assert told("plain-upstream", head=far.replace("endpoints:", "tls: {}, endpoints:")) == []
    found_later = Running(endpoints={"shop": ("192.0.2.7:80",)})
    assert told("plain-upstream", running=found_later) == ["cluster shop: plain HTTP to 192.0.2.7:80"]


class Cors(FilterSpec):
    """A filter of this type, with the Gateway API's keys."""

    type: Literal["CORS"] = "CORS"
    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool = False


CACHED = HEAD + "caches: [{name: main}]\n"


def test_cached_callers(told: Any, look: Any, system: Any) -> None:
    cache = "{type: Cache, cache: main}"
    (found,) = look("cached-callers", system(closed(filters=f"{JWT}, {cache}"), CACHED))
    assert (found.subject, found.path) == ("route closed", ("routes", 0))
    assert look("cached-callers", system(public(more=f"filters: [{cache}]"), CACHED)) == []
    assert told("cached-callers", closed()) == []


def test_compressed_cookies(told: Any, look: Any, system: Any) -> None:
    (found,) = look("compressed-cookies", system(public(more="filters: [{type: Compression, cookies: true}]")))
    assert found.path == ("routes", 0, "filters", 0, "cookies")
    assert told("compressed-cookies", public(more="filters: [{type: Compression}]")) == []


OUT = """\
listeners: [{name: public, port: 8088, forwardProxy: {}}]
clusters: [{name: shop, forward: {hosts: ["*.partner.example"]}}]
"""


def test_ways_out(told: Any) -> None:
    assert told("plain-upstream", public(), head=OUT) == ["cluster shop: plain HTTP to whoever is called"]
    assert told("plain-upstream", public(), head=OUT.replace("forward:", "tls: {}, forward:")) == []
    assert told("plain-upstream", public(match="{method: CONNECT}"), head=OUT) == []
    assert told("open-egress", public(), head=OUT) == []
    everywhere = OUT.replace('"*.partner.example"', '"*.partner.example", "*"')
    assert told("open-egress", public(), head=everywhere) == ["cluster shop: every host may be called"]


def test_any_address(told: Any) -> None:
    named = HEAD.replace('["127.0.0.1:9"]', '["127.0.0.1:9", "localhost:8", "api.example:443"]')
    assert told("any-address", head=HEAD) == []
    assert told("any-address", head=named) == ["cluster shop: api.example:443 may resolve to any address"]
    judged = named.replace("endpoints:", "addresses: {allow: [public, 127.0.0.0/8]}, endpoints:")
    assert told("any-address", head=judged) == []
    assert told("any-address", public(), head=OUT) == []
    wide = OUT.replace("forward:", "addresses: {allow: [0.0.0.0/0]}, forward:")
    assert told("any-address", public(), head=wide) == ["cluster shop: 169.254.169.254 (a cloud's metadata) is allowed"]
    shut = wide.replace("{allow: [0.0.0.0/0]}", "{allow: [0.0.0.0/0], deny: [169.254.0.0/16]}")
    assert told("any-address", public(), head=shut) == []


def test_wide_cors(look: Any, system: Any) -> None:
    def with_filter(one: Cors) -> System:
        before = system(public())
        route = before.spec.routes[0].model_copy(update={"filters": (one,)})
        return System(before.spec.model_copy(update={"routes": (route,)}), before.authenticating)

    (wide,) = look("wide-cors", with_filter(Cors(allow_origins=("https://a.test", "*"))))
    assert (wide.severity, wide.detail) == (None, "pages of * may read its answers")
    assert wide.path == ("routes", 0, "filters", 0, "allowOrigins")
    (worse,) = look("wide-cors", with_filter(Cors(allow_origins=("https://*.test",), allow_credentials=True)))
    assert worse.severity == "high"
    assert look("wide-cors", with_filter(Cors(allow_origins=("https://a.test",)))) == []


def test_wide_websocket(told: Any) -> None:
    assert told("wide-websocket", public(more='webSocket: {origins: ["*"]}')) == [
        "route open: every page may open a WebSocket through it"
    ]
    assert told("wide-websocket", public(more='webSocket: {origins: ["https://a.test"]}')) == []


WSDL = Path(__file__).parents[3] / "config" / "profiles.wsdl"


def mediated(operations: str, more: str = "") -> str:
    keys = f"type: SoapToRest, wsdl: {WSDL}, endpoint: /soap, operations: [{operations}]{more}"
    return public("people", "{path: {value: /}}, {path: {value: /people}}", f"filters: [{{{keys}}}]")


def test_mediated_get(told: Any) -> None:
    read, drop = (f'{{name: {name}Profile, method: GET, path: "/{name}/{{username}}"}}' for name in ("Read", "Drop"))
    assert told("mediated-get", mediated(f"{read}, {drop}")) == ["route people: GET /Drop/{username} runs DropProfile"]
    assert told("mediated-get", mediated(f"{read}, {drop.replace('GET', 'DELETE')}")) == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("CreateProfile", True), ("createProfile", True), ("create_profile", True), ("DELETEUser", True),
        ("Set", True), ("GetOrder", False), ("Settings", False), ("ListUpdates", False), ("orderly", False),
    ],
)  # fmt: skip
def test_the_first_word_of_a_name_says_whether_it_changes_something(name: str, changes: bool) -> None:
    assert says_change(name) == changes


def test_what_the_gateway_describes_itself_is_not_looked_for_in_the_services_document(told: Any) -> None:
    read = '{name: ReadProfile, method: GET, path: "/people/{username}"}'
    seen = Running(documents={"shop": DOCUMENT}, seen=(Seen("people", "GET", "/people/a", 200, "shop"),))
    for check in ("not-in-openapi", "undocumented-traffic"):
        assert told(check, mediated(read), running=seen) != []
        assert told(check, mediated(read, ", openapi: /openapi.json"), running=seen) == []


def test_no_access_log(told: Any) -> None:
    assert told("no-access-log", head=f"{HEAD}accessLog: {{enabled: false}}\n") == ["access log: is switched off"]
    assert told("no-access-log") == []


def test_no_isolation(told: Any) -> None:
    said = {
        "orders": "enforced (Landlock 7)",
        "alerts": "partial (Landlock 5): open are signals to any process of this user",
        "identity": "not enforced on this host: the kernel has no Landlock",
    }
    assert told("no-isolation", running=Running(isolation=said)) == [
        "process alerts: partial (Landlock 5): open are signals to any process of this user",
        "process identity: not enforced on this host: the kernel has no Landlock",
    ]
    assert told("no-isolation", running=Running()) == []


def test_refused_reload(told: Any) -> None:
    refused = Running(refused_reload="rejected at noon: shop.yaml:3")
    assert told("refused-reload", running=refused) == ["the running configuration: rejected at noon: shop.yaml:3"]
    assert told("refused-reload", running=Running()) == []


# -- what there is


def test_unreachable_match(look: Any, system: Any, told: Any) -> None:
    hidden = public("all", "{path: {value: /p}, method: POST}") + closed(
        "undo", '{path: {type: RegularExpression, value: "/p/[^/]+/undo"}, method: POST}'
    )
    (found,) = look("unreachable-match", system(hidden))
    assert (found.path, found.detail) == (("routes", 1, "matches", 0), "POST /p/[^/]+/undo always goes to route all")
    assert told("unreachable-match", public("a", "{path: {value: /p}}") + public("b", "{path: {value: /p/q}}")) == []


def test_retired_route(look: Any, system: Any, told: Any) -> None:
    seen = Running(seen=(Seen("open", "GET", "/", 200, "shop"),))
    assert told("retired-route", public(more="lifecycle: retired")) == ["route open: is retired and still served"]
    called = "route open: is retired and still served; 1 of the latest requests used it"
    assert told("retired-route", public(more="lifecycle: retired"), running=seen) == [called]
    (old,) = look("retired-route", system(public(more="lifecycle: deprecated"), running=seen))
    assert (old.severity, old.detail) == ("info", "is deprecated; 1 of the latest requests used it")
    assert told("retired-route", public(more="lifecycle: deprecated")) == []


def test_no_owner_and_no_version(told: Any) -> None:
    assert told("no-owner", public() + public("b", more="owner: b-team")) == ["route open: has no owner"]
    assert told("no-version", public() + public("b", more="version: v1")) == ["route open: has no version"]


def test_unused(told: Any) -> None:
    assert told("unused", public()) == ["provider id: is named by nothing"]
    more = HEAD.replace("clusters: [", 'clusters: [{name: spare, endpoints: ["127.0.0.1:8"]}, ')
    assert told("unused", closed(), head=more) == ["cluster spare: is named by nothing"]


# -- a running system, and what its services say of themselves

DOCUMENT = (Operation("GET", "/orders"), Operation("GET", "/orders/{id}"), Operation("POST", "/orders/{id}/cancel"))


def seen(method: str, path: str, status: int = 200, route: str = "open", cluster: str = "shop") -> Seen:
    return Seen(route, method, path, status, cluster)


def test_undocumented_traffic(told: Any) -> None:
    requests = (
        seen("GET", "/orders/7"), seen("HEAD", "/orders"), seen("POST", "/orders/7/refund"),
        seen("POST", "/orders/7/refund"), seen("GET", "/orders/7/x", 404), seen("DELETE", "/orders", 403, cluster=""),
    )  # fmt: skip
    running = Running(seen=requests, documents={"shop": DOCUMENT})
    assert told("undocumented-traffic", public(), running=running) == ["route open: POST /orders/7/refund (2)"]
    assert told("undocumented-traffic", public(), running=Running(seen=requests)) == []
    assert told("undocumented-traffic", public()) == []


def test_undocumented_traffic_is_what_the_service_sees(told: Any) -> None:
    rewriting = public(
        match="{path: {value: /shop}}",
        more="filters: [{type: URLRewrite, path: {type: ReplacePrefixMatch, value: /orders}}]",
    )
    requests = (seen("GET", "/shop/7"), seen("GET", "/shop/7/hidden"))
    running = Running(seen=requests, documents={"shop": DOCUMENT})
    assert told("undocumented-traffic", rewriting, running=running) == ["route open: GET /orders/7/hidden (1)"]


def test_not_in_openapi(told: Any) -> None:
    running = Running(documents={"shop": DOCUMENT})
    matches = "{path: {value: /orders}, method: GET}, {path: {value: /admin}}, {path: {value: /orders}, method: PUT}"
    assert told("not-in-openapi", public(match=matches), running=running) == [
        "route open: any method /admin meets no operation of its document",
        "route open: PUT /orders meets no operation of its document",
    ]
    assert told("not-in-openapi", public(match=matches), running=Running()) == []


def test_not_in_gateway(told: Any) -> None:
    running = Running(documents={"shop": DOCUMENT})
    assert told("not-in-gateway", public(match="{path: {value: /orders}, method: GET}"), running=running) == [
        "cluster shop: POST /orders/{id}/cancel is described and not routed"
    ]
    assert told("not-in-gateway", public(), running=running) == []


def test_no_route_traffic(told: Any) -> None:
    requests = [seen("GET", f"/{number % 4}", 404, "", "") for number in range(5)]
    assert told("no-route-traffic", running=Running(seen=tuple(requests))) == [
        "requests without a route: 5 of the latest: GET /0 (2), GET /1 (1), GET /2 (1) and 1 more"
    ]
    assert told("no-route-traffic", running=Running(seen=(seen("GET", "/"),))) == []

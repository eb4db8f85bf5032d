"""What would happen to a request: the very filters that traffic runs, asked without consequences.

The problem: the commonest question to a gateway is "why was I denied?", and the answer must not be guessed from
the configuration by other code than that which decides. The rule: route, chain and cluster of the snapshot in
force are asked by `preview`, never by `commit`; nothing is sent and no quota is spent. What the gateway cannot
decide (whether a record is yours) is said as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from gateway.compile.snapshot import CompiledRoute, Snapshot
from gateway.filters.base import Verdict
from gateway.filters.chain import AnyFilter, BodyWanted, lacks_body
from gateway.http.heads import read_request
from gateway.http.identity import ClientCertificate
from gateway.http.messages import CHUNKED, Refused, Reply, Request
from gateway.http.proxying import read_proxy_request
from gateway.roles.egress import preview
from gateway.roles.reasons import NO_ROUTE
from gateway.routing.explain import explain as considered
from gateway.upstream.cluster import Cluster

Explanation = dict[str, Any]

MOST_TOLD: Final = 10
"""Unhealthy endpoints of one cluster."""


def read_question(asked: Mapping[str, Any], reader: Callable[[bytes], Request] = read_request) -> Request:
    """The request that is asked about: {"method", "target", "headers", "body", "claims", "client", "principals",
    "listener"}.

    Raises:
        Refused: the gateway would not even read it.
    """
    headers = [(str(name), str(value)) for name, value in asked.get("headers", ())]
    if not any(name.lower() == "host" for name, _ in headers):
        headers.insert(0, ("Host", asked.get("host", "127.0.0.1")))
    target = str(asked["target"])
    if asked["method"] == "CONNECT" and target == "/":  # whoever asks may think in paths: CONNECT names a host only
        target = next(value for name, value in headers if name.lower() == "host")
    lines = [f"{asked['method']} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    request = reader(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    request.client = request.address = str(asked.get("client", "127.0.0.1"))
    request.claims = asked.get("claims")
    if asked.get("body") is not None:
        request.body = str(asked["body"]).encode()
        request.length = len(request.body)
    elif request.method in ("POST", "PUT", "PATCH") and not request.length:
        request.length = CHUNKED  # there would be one: a filter that wants it must not take it for empty
    names = tuple(("URI" if "://" in name else "DNS", str(name)) for name in asked.get("principals", ()))
    request.client_certificate = ClientCertificate((), names, "") if names else None
    return request


async def explain(snapshot: Snapshot, asked: Mapping[str, Any]) -> Explanation:
    """Which route, what each filter says and why, and where it would go."""
    result: Explanation = {
        "method": asked["method"],
        "target": asked["target"],
        "version": snapshot.version,
        "route": None,
        "steps": [],
        "cluster": None,
        "not_decided_here": [],
    }
    listener = asked.get("listener") or next(iter(snapshot.tables))
    proxies = {one.name for one in snapshot.spec.listeners if one.forward_proxy is not None}
    try:
        request = read_question(asked, read_proxy_request if listener in proxies else read_request)
    except Refused as refusal:
        return {**result, **_end("deny", refusal.reply)}
    request.listener = listener
    route = snapshot.match(request)
    if route is None:
        return {**result, **_end("no_route", NO_ROUTE), "candidates": _candidates(snapshot, request)}
    request.route = route
    result["route"] = route_facts(route, request)
    result["candidates"] = _candidates(snapshot, request)
    unseen = []
    for one in route.chain.filters:
        told, reply = await _ask(one, request)
        result["steps"].append(told)
        if reply is not None:
            return {**result, **_end("deny" if reply.status >= 400 else "local_reply", reply)}
        if told["verdict"] == "unknown":
            unseen.append(f"whether {told['filter']} lets the body pass: give it with the question")
    told_of_egress, refused = preview(request, route, snapshot.spec)
    if told_of_egress:
        verdict = "pass" if refused is None else "deny"
        result["steps"].append({"filter": "egress", "verdict": verdict, "detail": told_of_egress, "where": route.where})
    if refused is not None:
        return {**result, **_end("deny", refused)}
    forward = _forward(route, request)
    return {**result, **forward, "not_decided_here": [*unseen, *forward["not_decided_here"]]}


async def _ask(one: AnyFilter, request: Request) -> tuple[dict[str, str], Verdict]:
    lacking = lacks_body(one, request) if one.body_limit else None
    if isinstance(lacking, BodyWanted):
        return _told(one, "unknown", "it decides by the body, which was not given"), None
    decision = one.preview(request) if lacking is None else lacking
    reply = decision if decision is None or isinstance(decision, Reply) else await decision
    verdict = "pass" if reply is None else "deny" if reply.status >= 400 else "answer"
    return _told(one, verdict, one.explain(request, reply)), reply


def _told(one: AnyFilter, verdict: str, detail: str) -> dict[str, str]:
    return {"filter": one.name, "verdict": verdict, "detail": detail, "where": one.where}


def _candidates(snapshot: Snapshot, request: Request) -> list[dict[str, Any]]:
    """Which routes were considered, and why each was taken or not."""
    table = snapshot.tables[request.listener]
    return [asdict(one) for one in considered(table, request.host, request.path, request.method, request)]


def route_facts(route: CompiledRoute, request: Request) -> dict[str, Any]:
    """What an explanation says of the route that was taken."""
    return {
        "name": route.name,
        "where": route.where,
        "public": route.public,
        "matched": request.matched,
        "owner": route.spec.owner,
        "listener": request.listener,
    }


def _forward(route: CompiledRoute, request: Request) -> Explanation:
    possible = route.possible(request)
    clusters = [health_facts(cluster) for cluster in possible]
    names = " or ".join(cluster.name for cluster in possible)
    open_questions = [f"whether the record asked for is the caller's own ({names} decides)"]
    if route.public:
        open_questions = [f"who is asking: the route is public ({names} may ask for more)"]
    if route.tries is not None and route.tries.faults is not None:
        open_questions.append(f"which tries meet the faults that {route.where} plants: {route.tries.faults}")
    return {
        "outcome": "forward",
        "status": None,
        "reason": "",
        "cluster": clusters[0],
        "clusters": clusters,
        "not_decided_here": open_questions,
    }


def health_facts(cluster: Cluster) -> dict[str, Any]:
    """How many of a cluster's endpoints are well, and what is known of the others."""
    now = cluster.clock()
    states = [(endpoint.address, *endpoint.state(now)) for endpoint in cluster.endpoints]
    bad = [f"{address} {state}: {why}" for address, state, why in states if state != "healthy"]
    facts = {"name": cluster.name, "healthy": len(states) - len(bad), "total": len(states)}
    if bad:
        facts |= {"unhealthy": bad[:MOST_TOLD], "panicking": cluster.panicking}
    return facts


def _end(outcome: str, reply: Reply) -> Explanation:
    return {"outcome": outcome, "status": reply.status, "reason": reply.reason, "detail": reply.detail}

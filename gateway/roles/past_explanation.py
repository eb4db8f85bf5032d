"""One exchange that is over, told in the form of `gateway.roles.explain`: route, filters, values, outcome.

The problem: an exchange can end in a filter, while one waits, at the service, or because the client left, and each
filter must be told as having run or not. The rule: the exchange knows the last filter that held it up and the
cluster that it reached; the verdicts follow from these two. Queries, bodies and secret values are in none of it.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from gateway.filters.chain import AnyFilter, Stopped, Waiting
from gateway.http.messages import Reply
from gateway.observability.masking import shown
from gateway.observability.tracing import Ids
from gateway.roles.explain import Explanation, route_facts
from gateway.roles.records import iso_now, iso_time
from gateway.routing.explain import near_misses

if TYPE_CHECKING:
    from gateway.roles.facts import Facts

log = logging.getLogger("gateway.past")

MAX_TEXT: Final = 1_000
MAX_LIST: Final = 100
"""What control reads of one text and one list (gateway.control.messages) is more than that."""


def past_explanation(exchange: Facts, duration: float) -> Explanation:
    """Route, filters, values and outcome of an exchange that is over, in the form of `gateway.roles.explain`."""
    request, route, ids = exchange.request, exchange.route, exchange.ids
    outcome, decider = _outcome(exchange)
    return {
        "trace_id": ids.trace_id,
        "span_id": ids.span_id,
        "request_id": ids.request_id,
        "time": iso_time(exchange.started_wall),
        "method": request.method,
        "target": request.path[:MAX_TEXT],
        "host": request.host[:MAX_TEXT],
        "listener": request.listener,
        "client": request.client,
        "subject": request.subject[:MAX_TEXT],
        "version": exchange.worker.snapshot.version,
        "route": route_facts(route, request) if route else None,
        "seen": _seen(exchange),
        "steps": [_step(one, verdict, exchange) for one, verdict in _asked(exchange)[-MAX_LIST:]],
        "candidates": [] if route else _near(exchange),
        "outcome": outcome,
        "decided_by": decider,
        "status": exchange.status,
        "reason": exchange.reason,
        "detail": exchange.reply.detail[:MAX_TEXT] if exchange.reply else "",
        "policy": exchange.decided_by,
        "cluster": _cluster(exchange),
        "duration_ms": round(duration * 1000, 3),
        "sampled": exchange.sampled,
        "token_seconds": _token_seconds(exchange),
    }


def refusal_explanation(reply: Reply, peer: str, ids: Ids) -> Explanation:
    """Bytes that were no request have no route, and met no filter."""
    return {
        "trace_id": ids.trace_id,
        "span_id": ids.span_id,
        "request_id": ids.request_id,
        "time": iso_now(),
        "client": peer,
        "outcome": "unreadable",
        "decided_by": "gateway",
        "status": reply.status,
        "reason": reply.reason,
        "detail": reply.detail[:MAX_TEXT],
    }


def _outcome(exchange: Facts) -> tuple[str, str]:
    """How it ended, and who decided that: gateway, client, or the cluster whose service answered."""
    status, reason, outcome = exchange.status, exchange.reason, exchange.outcome
    if exchange.cluster is None and isinstance(outcome, Stopped):
        return ("deny" if status >= 400 else "local_reply"), "gateway"
    if reason == "client_gone":
        return "client_gone", "client"
    if reason and status < 400:
        return "cut_off", "gateway"
    if reason:
        return ("no_route" if exchange.route is None else "failed" if status >= 500 else "deny"), "gateway"
    service = exchange.cluster.name if exchange.cluster else ""
    return ("service_refused" if status >= 400 else "forwarded"), service


def _asked(exchange: Facts) -> list[tuple[AnyFilter, str]]:
    """The filters that ran, each with what it said; those behind the one that stopped were not asked."""
    filters = [step[2] for step in exchange.route.chain.steps] if exchange.route else []
    outcome = exchange.outcome
    if exchange.cluster is not None:  # one of them may still have refused the answer
        refusing = outcome.filter if isinstance(outcome, Stopped) else None
        return [(one, "deny" if one is refusing else "pass") for one in filters]
    if isinstance(outcome, Stopped):
        stopped, verdict = outcome.filter, "deny" if outcome.reply.status >= 400 else "answer"
    elif isinstance(outcome, Waiting):
        stopped, verdict = filters[outcome.position], "wait"
    else:
        return []
    before = filters[: next(index for index, one in enumerate(filters) if one is stopped)]
    return [*((one, "pass") for one in before), (stopped, verdict)]


def _step(one: AnyFilter, verdict: str, exchange: Facts) -> dict[str, str]:
    outcome = exchange.outcome
    reply = outcome.reply if isinstance(outcome, Stopped) and outcome.filter is one else None
    try:
        detail = "its answer had not come yet" if verdict == "wait" else one.explain(exchange.request, reply)
    except Exception:  # a filter that just failed may fail again, and the others still have something to tell
        log.exception("filter %s (%s) cannot explain itself", one.name, one.where)
        detail = "it failed; see the worker's log"
    return {"filter": one.name, "verdict": verdict, "detail": detail[:MAX_TEXT], "where": one.where}


def _seen(exchange: Facts) -> list[tuple[str, str]]:
    """The values of the headers that the route's matches ask for."""
    matches = exchange.route.spec.matches if exchange.route else ()
    names = {one.name.lower() for match in matches for one in match.headers}
    found = [(name, exchange.request.get(name.encode("latin-1", "replace"))) for name in sorted(names)[:MAX_LIST]]
    return [(f"header {name}", "absent" if value is None else shown(name, value)) for name, value in found]


def _near(exchange: Facts) -> list[dict[str, Any]]:
    """Without a route: the routes that matched the path and wanted something else; costs about as much as a match."""
    request = exchange.request
    table = exchange.worker.snapshot.tables[request.listener]
    near = near_misses(table, request.host, request.path, request.method, request)
    return [{**asdict(one), "text": one.text[:MAX_TEXT]} for one in near]


def _cluster(exchange: Facts) -> dict[str, Any] | None:
    if exchange.cluster is None:
        return None
    return {
        "name": exchange.cluster.name,
        "endpoint": exchange.endpoint.address if exchange.endpoint else "",
        "attempts": exchange.attempts,
        "planted": "; ".join(exchange.faults),
        "status": exchange.upstream_status,
        "duration_ms": round(exchange.upstream_seconds * 1000, 3),
    }


def _token_seconds(exchange: Facts) -> float | None:
    """For how long the caller's verified token was issued: what an audit wants to know, and nothing of the token."""
    claims = exchange.request.claims or {}
    begins, ends = claims.get("iat"), claims.get("exp")
    return float(ends - begins) if isinstance(begins, int | float) and isinstance(ends, int | float) else None

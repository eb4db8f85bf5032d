"""What an exchange that is over says of the two sides of its route's canary.

The problem: a canary must answer for its own faults, and for nobody else's. The rule: a request counts once, by how it
ended for the client. Failed is what the cluster answered with 5xx, did not answer in time or in whole, or could not be
connected for; what the gateway refused by itself, or the client broke off while it sent, counts on no side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.roles.facts import Facts
    from gateway.upstream.canary import Canary

FAULTS: Final = frozenset(
    (
        "no_endpoint",
        "upstream_overflow",
        "upstream_connect_failure",
        "upstream_connect_timeout",
        "upstream_tls_failure",
        "upstream_reset",
        "upstream_protocol_error",
        "upstream_head_too_large",
        "upstream_timeout",
        "request_timeout",
        "answer_too_large",
        "answer_too_large_to_inspect",
        "answer_invalid",
        "soap_answer_invalid",
        "graphql_answer_invalid",
        "fault_injected",
    )
)
"""Reasons for which the cluster answers, of those by which an exchange ends without its whole answer."""
TIMES_OUT: Final = frozenset(("upstream_timeout", "request_timeout"))
"""No fault of the cluster while the client's own body is still on its way."""


def count_side(exchange: Facts, canary: Canary) -> None:
    """Count a finished exchange of a route with a canary, if the weight had decided about it."""
    cluster, reason = exchange.cluster, exchange.reason
    if cluster is None or not canary.drawn(exchange.request):
        return
    if reason == "client_gone":  # not a fault, but who gives up has waited: a canary that hangs must show as slow
        failed = False
    elif reason:
        failed = reason in FAULTS and (exchange.request_complete or reason not in TIMES_OUT)
        if not failed:
            return
    else:
        failed = exchange.upstream_status >= 500
    timed = exchange.upstream_seconds > 0 and exchange.status != 101  # a tunnel stays open for as long as it is used
    side = canary.canary if cluster.name == canary.spec.cluster else canary.stable
    side.count(failed, exchange.upstream_seconds if timed else None)

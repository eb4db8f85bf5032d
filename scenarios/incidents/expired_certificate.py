"""The certificate of profiles runs out, and nobody renews it."""

from __future__ import annotations

from scenarios.incidents.bench import Bench
from scenarios.incidents.metrics import Rate, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import per_second

LIFE = 20.0
"""Seconds, in place of ten minutes: a class room's."""


def inject(bench: Bench) -> None:
    """A real certificate of the mesh's authority; its sidecar asks for no other one when it ends."""
    bench.reconfigure("profiles-sidecar", {"lapse": LIFE}, {"lapse": 0.0})


INCIDENT = Incident(
    id="expired-certificate",
    kind="A certificate in the mesh has run out.",
    ticket="Support cannot read profiles any more. It worked this morning, and nothing was changed.",
    services=("profiles",),
    inject=inject,
    signal=Signal(
        says="requests refused since nobody trusts the service's side, or nobody is left there",
        expression=Rate(Select("gateway_local_replies_total", re={"reason": "upstream_tls_failure|no_endpoint"})),
        above=0.3,
        shown=per_second,
    ),
    what="The sidecar of profiles had a certificate of 20 s (10 min otherwise), and did not renew it.",
    look=(
        "Which routes fail, with which reason, at first and later? Console; gatehouse logs gateway-access.",
        "gatehouse mesh status: whose sidecar is missing, although gatehouse ps says that it runs?",
        "gateway_upstream_tls_failures_total has a reason. gatehouse mesh certificates: who has none in use?",
    ),
    elsewhere={
        "gateway": "The gateway's certificate is good: every other service is reached with it.",
        "identity": "Tokens are good: other routes take them.",
        "authority": "The authority gives certificates to all others (gatehouse mesh certificates).",
    },
    otherwise={
        "process-down": "Its process runs, and so does its sidecar (gatehouse ps): nobody trusts the sidecar any more.",
        "expired-token": "The same tokens are good at other routes.",
        "wrong-route": "The address was right, and somebody answered there; why is the service on no list any more?",
        "broken-contract": "No answer of its is read at all: the handshake fails.",
    },
    mend="gatehouse restart profiles-sidecar; an alert on days left, and renewal that is watched.",
    difficulty=3,
    minutes=12,
    architecture="mesh",
)

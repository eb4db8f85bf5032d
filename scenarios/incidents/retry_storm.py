"""Recommendations fails, and the gateway asks it again and again."""

from __future__ import annotations

from typing import Any

from scenarios.incidents.bench import Bench, part
from scenarios.incidents.metrics import Ratio, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import times

NAME = "recommendations"
FAILING = {"errors": 0.7, "delay": 0.02}


def inject(bench: Bench) -> None:
    """Retries without a budget first: nobody notices. Then what they were made for happens."""
    bench.configure(retries)
    bench.reconfigure(NAME, {"planted": FAILING}, {"planted": {}})


def retries(document: dict[str, Any]) -> None:
    """Each failure is tried three times more, however many there are."""
    part(document, "routes", NAME)["retry"] = {"attempts": 3, "codes": [500], "backoff": "10ms"}
    part(document, "clusters", NAME)["retryBudget"] = {"percent": 100, "minimum": 1024}


INCIDENT = Incident(
    id="retry-storm",
    kind="A failing service gets several times its load.",
    ticket="The team of a small service says: we have several times the requests of yesterday. The shop sells as ever.",
    services=(NAME, "gateway"),
    inject=inject,
    signal=Signal(
        says="tries for each request for recommendations",
        expression=Ratio(
            Select("http_client_request_duration_seconds_count", {"gateway_cluster": NAME}),
            Select("http_server_request_duration_seconds_count", {"http_route": NAME}),
        ),
        above=1.6,
        shown=times,
    ),
    what="Recommendations failed 7 of 10; the gateway tries each failure up to three times more, without a budget.",
    look=(
        "Compare for each service: requests that clients send, requests that it gets. For one they differ.",
        "gateway_retries_total by gateway_cluster; and 'attempts' in the access log (gatehouse logs gateway-access).",
        "A trace of such a request: several client spans side by side, with http.request.resend_count.",
    ),
    elsewhere={
        "storefront": "The storefront asks once for each page; the repetitions come from somebody else.",
        "orders": "Orders gets as many requests as clients send.",
    },
    otherwise={
        "error-burst": "It fails, but nothing was deployed; and its load is several times what clients send.",
        "noisy-neighbour": "No client sends more than before: the requests grow behind the gateway.",
        "slow-database": "It has no database.",
        "process-down": "It runs, and answers; mostly with errors.",
    },
    mend="A retry budget (20 %, the default), fewer attempts; then find out why it fails.",
    difficulty=4,
    minutes=12,
)

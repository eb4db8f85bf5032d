"""A new version of the storefront, and errors since."""

from __future__ import annotations

from scenarios.incidents.bench import Bench
from scenarios.incidents.metrics import Ratio, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import share

ROUTES = {"http_route": "graphql|graphql-anonymous|shop-page"}


def inject(bench: Bench) -> None:
    """As anybody deploys: for all requests at once."""
    bench.deploy("storefront", "v2")


INCIDENT = Incident(
    id="error-burst",
    kind="Errors, since a version was deployed.",
    ticket="The shop's page shows an error now and then. Pressing reload helps, mostly.",
    services=("storefront",),
    inject=inject,
    signal=Signal(
        says="failed requests, of all for the page and GraphQL",
        expression=Ratio(
            Select("http_server_request_duration_seconds_count", re={**ROUTES, "http_response_status_code": "5.."}),
            Select("http_server_request_duration_seconds_count", re=ROUTES),
        ),
        above=0.1,
        shown=share,
    ),
    what="Version v2 of the storefront was deployed to everybody at once; it fails 30 % of its requests.",
    look=(
        "Which routes have errors, and which service is behind all of them? Console, table of routes.",
        "A trace of a failed request: which service's span is the deepest one with an error?",
        "What changed, and when? gatehouse ps: versions and uptimes; service_info in the metrics.",
    ),
    elsewhere={
        "gateway": "The gateway passes on what it gets: its access log says decided_by storefront.",
        "orders": "Orders answers 200; the routes that go to it directly have no errors.",
        "profiles": "Profiles answers 200; its own routes have no errors.",
    },
    otherwise={
        "broken-contract": "It fails by itself, before it has asked anybody: there is no child span.",
        "slow-database": "The answers are quick; they are wrong.",
        "process-down": "Its process runs; most requests are answered.",
        "retry-storm": "Nobody repeats these requests.",
        "memory-leak": "Its memory does not grow.",
    },
    mend="gatehouse rollback storefront; next time with --canary 10%, which takes itself back.",
    difficulty=1,
    minutes=8,
)

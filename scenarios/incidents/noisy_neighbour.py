"""A partner's export program leaves nothing of the limit that others share with it."""

from __future__ import annotations

from scenarios.incidents.bench import Bench
from scenarios.incidents.load import Load, Visit, under
from scenarios.incidents.metrics import Ratio, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import share

RATE, AGENT = 160.0, "partner-export/2.3"
EXPORT = (Visit("GET", "/orders?limit=1", 1, "partner"),)


def inject(bench: Bench) -> None:
    """A second client, from the same address as everybody: as behind one office's way out."""
    bench.running.enter_context(under(Load(bench.instance, EXPORT, RATE, AGENT)))


INCIDENT = Incident(
    id="noisy-neighbour",
    kind="One client uses up what is there for all.",
    ticket="Customers are refused, on all pages, many at a time. The services are bored.",
    services=("partner", "gateway"),
    inject=inject,
    signal=Signal(
        says="requests refused with 429, of all",
        expression=Ratio(
            Select("http_server_request_duration_seconds_count", {"http_response_status_code": "429"}),
            Select("http_server_request_duration_seconds_count"),
        ),
        above=0.3,
        shown=share,
    ),
    what="A program of the partner's sent 160 requests a second from the address that all clients share.",
    look=(
        "Who refuses, and why? Console: requests that were decided by the gateway; status and reason.",
        "gatehouse limits: which limit is used up, and whose key is it?",
        "Who has sent most? gatehouse logs gateway-access: count user_agent and subject.",
    ),
    elsewhere={
        "orders": "Orders answers whatever reaches it, quickly.",
        "identity": "Logins are refused like everything else, by the same limit.",
        "redis": "This limit is counted in each worker, without Redis.",
    },
    otherwise={
        "retry-storm": "The gateway repeats nothing: gateway_retries_total stands still.",
        "error-burst": "429 is no failure of a service: no 5xx.",
        "slow-database": "What passes is as quick as ever.",
        "expired-token": "Those without a token are refused as well: 429, not 401.",
    },
    mend="A limit by subject or key in front of the address', a quota for the partner; talk to the partner.",
    difficulty=3,
    minutes=10,
)

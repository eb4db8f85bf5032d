"""Orders calls a field by another name, and is healthy."""

from __future__ import annotations

from scenarios.incidents.bench import Bench
from scenarios.incidents.metrics import Rate, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import per_second


def inject(bench: Bench) -> None:
    """Version v3: `price` is called `amount`, which is the better word."""
    bench.deploy("orders", "v3")


INCIDENT = Incident(
    id="broken-contract",
    kind="A service and its callers no longer mean the same.",
    ticket="The catalogue is gone: from the page, and from the apps. All services report that they are well.",
    services=("orders",),
    inject=inject,
    signal=Signal(
        says="answers that do not fit their description",
        expression=Rate(Select("gateway_schema_violations_total", {"direction": "response"})),
        above=0.3,
        shown=per_second,
    ),
    what="Version v3 of orders calls the price of a product 'amount'; its description, and its callers, say 'price'.",
    look=(
        "Which route fails, and what does the same service answer itself? Compare the gateway's status with its own.",
        "gatehouse explain --trace with the trace_id of a 502: the reason names who broke which rule.",
        "Compare the answer of the service's own port (gatehouse ps) with its /openapi.json.",
    ),
    elsewhere={
        "gateway": "It is the gateway that refuses, and it is right: read what it says of the answer.",
        "storefront": "The storefront does not understand what it is told, nor does the gateway: who told them?",
    },
    otherwise={
        "error-burst": "A deployment it was. But the service itself answers 200, each time.",
        "process-down": "The service is there, and answers 200.",
        "poisoned-cache": "Nothing is kept on that route: each answer is new, and as wrong.",
        "slow-database": "It answers as quickly as ever.",
    },
    mend="gatehouse rollback orders; compare descriptions before a deployment; add fields, never rename them.",
    difficulty=4,
    minutes=12,
)

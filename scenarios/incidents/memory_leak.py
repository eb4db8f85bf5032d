"""Profiles remembers every request."""

from __future__ import annotations

from scenarios.incidents.bench import Bench
from scenarios.incidents.metrics import Growth, Select, Signal
from scenarios.incidents.model import Incident
from scenarios.incidents.units import mebibytes


def inject(bench: Bench) -> None:
    """Version v2 keeps 768 KiB of each request, until it has 128 MiB: the lesson is the slope."""
    bench.deploy("profiles", "v2")


INCIDENT = Incident(
    id="memory-leak",
    kind="A process takes more and more memory.",
    ticket="The machine's memory is getting scarce. Customers have noticed nothing yet.",
    services=("profiles",),
    inject=inject,
    signal=Signal(
        says="growth of profiles' memory",
        expression=Growth(Select("process_resident_memory_bytes", source="profiles")),
        above=8 * 1_048_576,
        shown=mebibytes,
    ),
    what="Version v2 of profiles keeps 768 KiB of each request that it answers (128 MiB altogether, then it stops).",
    look=(
        "Whose memory grows? gatehouse ps twice, a minute apart; or process_resident_memory_bytes of each service.",
        "Does it fall again when there is less to do? What is needed for a request is given back; a leak is not.",
        "Since when? Put the curve beside the process' uptime and version (gatehouse ps).",
    ),
    elsewhere={
        "redis": "The memory of Redis is bounded, and stands still.",
        "gateway": "The workers' memory stands still (gatehouse ps).",
        "orders": "The memory of orders stands still.",
        "storefront": "The memory of the storefront stands still.",
    },
    otherwise={
        "error-burst": "There are no errors: a leak is silent until memory is gone. (A deployment it was.)",
        "slow-database": "Answers are as quick as before.",
        "noisy-neighbour": "Nobody sends more than before: look at the requests per second.",
        "poisoned-cache": "Kept answers are bounded by maxBytes, and are not in this process.",
    },
    mend="gatehouse rollback profiles; a heap profile of the version; an alert on the slope, not on the limit.",
    difficulty=2,
    minutes=10,
)

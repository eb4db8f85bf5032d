"""What every process of the data plane loads: importing this loads it (gateway.mesh.nursery).

Heavy libraries that a worker would load with its configuration are here, too: two workers, one copy. The modules that
a process is run as are not: each child runs its own.
"""

from __future__ import annotations

import redis.asyncio

import gateway.filters.graphql_document
import gateway.filters.graphql_schema
import gateway.filters.revocable_jwt
import gateway.mesh.enrolment
import gateway.observability.logs
import gateway.roles.channel
import gateway.roles.listener
import gateway.roles.worker
import gateway.upstream.canary
from gateway.compile.table import filter_classes


def load_filters() -> None:
    """Those of ours; one of somebody else's is loaded by who needs it, with whatever that starts."""
    classes = filter_classes()
    for name in classes:
        known = classes.raw(name)
        if isinstance(known, list) and all(point.value.startswith("gateway.") for point in known):
            classes[name]


load_filters()

__all__ = ["gateway", "redis"]

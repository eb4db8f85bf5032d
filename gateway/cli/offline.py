"""`gatehouse explain --config`: a file's own answer, while nothing runs.

The problem: before a change is rolled out one wants to know what it would do. The rule: the file is compiled
as a worker compiles it (gateway.compile.trial), and its filters are asked by the same code; claims are given and not
verified, since there are no keys.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.compile.trial import compiled
from gateway.roles.explain import explain
from gateway.spec.models import Spec


def explain_offline(spec: Spec, request: dict[str, Any]) -> dict[str, Any]:
    """What a gateway with this configuration would say: `request` as in the admin API's question."""

    async def ask() -> dict[str, Any]:
        snapshot = compiled(spec)
        try:
            return await explain(snapshot, request)
        finally:
            for cluster in snapshot.clusters.values():
                cluster.retire()  # what a filter has asked somebody over
            await asyncio.sleep(0)

    return asyncio.run(ask())

"""`gatehouse explain --config`: a file's own answer, while nothing runs.

The problem: before a change is rolled out one wants to know what it would do. The rule: the file is compiled
as a worker compiles it, and its filters are asked by the same code; only what is observed while running
(endpoints of services, spent quotas, an issuer's keys) is not there, so claims are given and not verified.
"""

from __future__ import annotations

import asyncio
import time
from random import Random
from typing import Any

from gateway.compile.compiler import Runtime, compile_spec
from gateway.compile.snapshot import Snapshot
from gateway.observability.metrics import Metrics
from gateway.roles.explain import explain
from gateway.spec.models import Spec


def explain_offline(spec: Spec, request: dict[str, Any]) -> dict[str, Any]:
    """What a gateway with this configuration would say: `request` as in the admin API's question."""

    async def ask() -> dict[str, Any]:
        runtime = Runtime(Metrics(), time.monotonic, time.time, Random())  # noqa: S311 (it spreads load, it keeps no secret)
        return await explain(compile_spec(spec, {}, 0, runtime, Snapshot.empty()), request)

    return asyncio.run(ask())

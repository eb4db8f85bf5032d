"""`gatehouse explain --config`: a file's own answer, while nothing runs.

The problem: before a change is rolled out one wants to know what it would do. The rule: the file is compiled
as a worker compiles it, and its filters are asked by the same code; only what is observed while running
(endpoints of services, spent quotas, an issuer's keys) is not there, so claims are given and not verified, and
no store is asked: limits that are kept in one are judged as full ones of our own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from random import Random
from typing import Any

from gateway.compile.compiler import Runtime, compile_spec
from gateway.compile.snapshot import Snapshot
from gateway.observability.metrics import Metrics
from gateway.roles.explain import explain
from gateway.spec.filters import LimitSpec
from gateway.spec.models import FilterSpec, Spec


def explain_offline(spec: Spec, request: dict[str, Any]) -> dict[str, Any]:
    """What a gateway with this configuration would say: `request` as in the admin API's question."""

    async def ask() -> dict[str, Any]:
        snapshot = _compiled(spec)
        try:
            return await explain(snapshot, request)
        finally:
            for cluster in snapshot.clusters.values():
                cluster.retire()  # what a filter has asked somebody over
            await asyncio.sleep(0)

    return asyncio.run(ask())


def not_made(spec: Spec) -> str:
    """Why a worker could not compile this, though all of it reads well: a filter that cannot be made; or ""."""

    async def compile_it() -> str:
        try:
            _compiled(spec)
        except ValueError as error:
            return str(error)
        return ""

    return asyncio.run(compile_it())


def _compiled(spec: Spec) -> Snapshot:
    runtime = Runtime(Metrics(), time.monotonic, time.time, Random())  # noqa: S311 (it spreads load, it keeps no secret)
    return compile_spec(without_stores(spec), {}, 0, runtime, Snapshot.empty())


def without_stores(spec: Spec, keep: Collection[str] = ()) -> Spec:
    """The same configuration with every limit kept here, besides those in the stores to keep."""
    routes = tuple(route.model_copy(update={"filters": _here(route.filters, keep)}) for route in spec.routes)
    stores = tuple(one for one in spec.stores if one.name in keep)
    return spec.model_copy(update={"stores": stores, "filters": _here(spec.filters, keep), "routes": routes})


def _here(filters: Sequence[FilterSpec], keep: Collection[str]) -> tuple[FilterSpec, ...]:
    here = {"store": None, "on_store_failure": None}
    return tuple(
        one.model_copy(update=here) if isinstance(one, LimitSpec) and one.store not in keep else one for one in filters
    )

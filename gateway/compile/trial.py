"""Compiling a configuration for the question alone: what would it do, and can it be compiled at all?

The problem: what reads well may still not come up, since a filter of somebody's own fails when it is made; and while
nothing runs one wants to know what a change would do. The rule: it is compiled as a worker compiles it; only what is
observed while running is not there: endpoints of services, spent quotas, an issuer's keys. No store is asked: limits
that are kept in one are judged as full ones of our own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from random import Random

from gateway.compile.compiler import Runtime, compile_spec
from gateway.compile.snapshot import Snapshot
from gateway.observability.metrics import Metrics
from gateway.spec.models import FilterSpec, Spec


def compiled(spec: Spec) -> Snapshot:
    """A snapshot that serves nobody; in a running event loop, which some filters need.

    Raises:
        ValueError: a filter cannot be made; says which one, where, and why.
    """
    runtime = Runtime(Metrics(), time.monotonic, time.time, Random())  # noqa: S311 (it spreads load, it keeps no secret)
    return compile_spec(without_stores(spec), {}, 0, runtime, Snapshot.empty())


def not_made(spec: Spec) -> str:
    """Why a worker could not compile this, or ""."""

    async def compile_it() -> str:
        try:
            compiled(spec)
        except ValueError as error:
            return str(error)
        return ""

    return asyncio.run(compile_it())


def without_stores(spec: Spec, keep: Collection[str] = ()) -> Spec:
    """The same configuration with everything kept here, and nothing revoked, besides what is in the stores to keep."""
    routes = tuple(route.model_copy(update={"filters": _here(route.filters, keep)}) for route in spec.routes)
    stores = tuple(one for one in spec.stores if one.name in keep)
    providers = tuple(
        one.model_copy(update={"revocation": None}) if one.revocation and one.revocation.store not in keep else one
        for one in spec.providers
    )
    here = {"stores": stores, "filters": _here(spec.filters, keep), "routes": routes, "providers": providers}
    return spec.model_copy(update=here)


def _here(filters: Sequence[FilterSpec], keep: Collection[str]) -> tuple[FilterSpec, ...]:
    here = {"store": None, "on_store_failure": None}
    return tuple(
        one.model_copy(update=here) if getattr(one, "store", None) not in (None, *keep) else one for one in filters
    )

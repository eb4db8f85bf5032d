"""Time-outs, retries and planted faults: what contradicts itself, or could never happen."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, Path
from gateway.spec.models import Route, Spec, Timeouts
from gateway.spec.tries import AbortFault, Faults, Retry


def check_tries(spec: Spec) -> Iterator[Finding]:
    """How long, how often, and what fails on purpose, for each route."""
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index)
        yield from _check_times(route.timeouts, (*path, "timeouts"))
        yield from _check_use(route, path)
        if route.retry is not None:
            yield from _check_retry(route.retry, route.timeouts, (*path, "retry"))
        if route.faults is not None:
            yield from _check_faults(route.faults, (*path, "faults"))


def _check_times(times: Timeouts, path: Path) -> Iterator[Finding]:
    """GEP-1742: one try cannot take longer than all of them; the default of 15s is not held against anybody."""
    written = "backend_request" in times.model_fields_set
    if written and times.request and times.backend_request > times.request:
        yield Finding(
            (*path, "backendRequest"),
            f"longer than the whole exchange may take (request: {times.request:g} s), so it never ends a try",
        )


def _check_use(route: Route, path: Path) -> Iterator[Finding]:
    if route.backend_refs:
        return
    for key, value in (("retry", route.retry), ("faults", route.faults)):
        if value is not None:
            yield Finding((*path, key), "never used: this route sends nothing to a cluster")


def _check_retry(retry: Retry, times: Timeouts, path: Path) -> Iterator[Finding]:
    if not retry.on and not retry.codes:
        yield Finding(path, "repeats nothing: name classes in `on`, statuses in `codes`, or leave both out")
    if "on" in retry.model_fields_set and "timeout" in retry.on and not _ends_a_try(times):
        yield Finding(
            (*path, "on", retry.on.index("timeout")),
            "no try ever times out before the whole exchange does: set timeouts.backendRequest below timeouts.request",
        )


def _ends_a_try(times: Timeouts) -> bool:
    return bool(times.backend_request) and (not times.request or times.backend_request < times.request)


def _check_faults(faults: Faults, path: Path) -> Iterator[Finding]:
    if faults.delay is None and faults.abort is None:
        yield Finding(path, "plants nothing: give delay, abort, or both")
    if faults.abort is not None:
        yield from _check_abort(faults.abort, (*path, "abort"))
    if faults.from_anybody and faults.header is None:
        yield Finding((*path, "fromAnybody"), "says whose header counts, and no header is named")


def _check_abort(abort: AbortFault, path: Path) -> Iterator[Finding]:
    if (abort.status is None) is not abort.reset:
        yield Finding(path, "ends with a status or with `reset: true`; give one of them")

"""What `gatehouse audit` learns of a running system, over the admin API and from its services.

The problem: a service may be anything, and its document as large and as slow as it likes. The rule: only addresses on
loopback that the admin API names as endpoints are asked, one request each, with a deadline and a size; what does not
answer well is noted as not looked at, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from gateway.audit.checks.plain_upstream import is_local
from gateway.audit.lines import Lines
from gateway.audit.model import Running, Seen, System
from gateway.audit.openapi import Operation, read_operations
from gateway.audit.reach import reaches
from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from gateway.cli.isolation import sayings
from gateway.cli.wire import send
from gateway.compile.table import answering_types, authenticating_types, filter_types
from gateway.spec.models import Cluster, Spec
from gateway.spec.restore import restore

REQUESTS: Final = 500
EXPLANATIONS: Final = 8_000
SECONDS: Final = 3.0
MAX_DOCUMENT: Final = 2 * 1_048_576
MAX_CLUSTERS: Final = 100
"""Clusters whose documents are read."""
MAX_PLACES: Final = 3
"""Where a cluster's document is looked for, besides `/openapi.json`."""


def observe(instance: Instance) -> tuple[str, System, Lines, list[str]]:
    """The running configuration with all that is known of its use.

    Raises:
        Failure: the admin API does not answer.
    """
    config = instance.admin("GET", "/config")
    spec = restore(config["spec"], filter_types())
    file = Path(config["file"])
    lines = Lines(spec, _text(file), file.name)
    endpoints = {one["name"]: _addresses(one) for one in instance.admin("GET", "/clusters")["clusters"]}
    documents = dict(_documents(spec, endpoints))
    running = Running(
        seen=tuple(map(_seen, instance.admin("GET", f"/requests?limit={REQUESTS}")["requests"])),
        token_seconds=tuple(_token_seconds(instance)),
        endpoints=endpoints,
        documents=documents,
        refused_reload=_refused(config["history"]),
        isolation=sayings(instance.admin("GET", "/services")["processes"]),
    )
    system = System(spec, authenticating_types(), answering_types(), running)
    subject = f"{file}, version {config['version']}, as it runs"
    return subject, system, lines, list(_notes(spec, running, lines))


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _addresses(cluster: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(endpoint["address"]) for endpoint in cluster["endpoints"])


def _seen(record: dict[str, Any]) -> Seen:
    by_service = record.get("decided_by") == record.get("upstream_cluster")
    return Seen(
        route=record.get("route", ""),
        method=record.get("method", ""),
        path=record.get("path", ""),
        status=int(record.get("status", 0)),
        cluster=record.get("upstream_cluster", "") if by_service else "",
    )


def _token_seconds(instance: Instance) -> Iterator[float]:
    for one in instance.admin("GET", f"/explanations?limit={EXPLANATIONS}")["explanations"]:
        if isinstance(seconds := one.get("token_seconds"), int | float):
            yield float(seconds)


def _refused(history: list[dict[str, Any]]) -> str:
    latest = history[0] if history else {}
    if latest.get("result") not in ("rejected", "rolled_back"):
        return ""
    first = str((latest.get("errors") or ["no reason given"])[0]).partition("\n")[0]
    return f"{latest['result']} at {latest.get('time', '?')}: {first}"


def _documents(spec: Spec, endpoints: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, tuple[Operation, ...]]]:
    """The OpenAPI documents of clusters that offer one."""
    for cluster in spec.clusters[:MAX_CLUSTERS]:
        address = next((one for one in endpoints.get(cluster.name, ()) if is_local(one)), None)
        if address is not None and cluster.tls is None:
            paths = _document_paths(spec, cluster)
            read = ((path, _read(address, path)) for path in paths)
            found = next(((path, operations) for path, operations in read if operations), None)
            if found is not None:  # the document itself needs no entry in the document
                yield cluster.name, (*found[1], Operation("GET", found[0]))


def _document_paths(spec: Spec, cluster: Cluster) -> list[str]:
    """Where its routes say that the document is, then where it is by custom."""
    named = [
        reach.value
        for route in spec.routes
        if cluster.name in route.destinations
        for reach in reaches(route)
        if reach.kind == "Exact" and reach.value.endswith("/openapi.json")
    ]
    return list(dict.fromkeys([*named[:MAX_PLACES], "/openapi.json"]))


def _read(address: str, path: str) -> tuple[Operation, ...]:
    """The operations of a document; none when there is no usable one."""
    try:
        answer = send(f"http://{address}", "GET", path, timeout=SECONDS, within=SECONDS, most=MAX_DOCUMENT)
    except Failure:
        return ()
    return read_operations(answer.json()) if answer.status == 200 else ()


def _notes(spec: Spec, running: Running, lines: Lines) -> Iterator[str]:
    """What an audit of this system could not look at."""
    without = [cluster.name for cluster in spec.clusters if cluster.name not in running.documents]
    if without:
        yield f"no OpenAPI document read from {', '.join(without)}"
    yield f"traffic: the latest {len(running.seen)} requests; tokens: the latest {len(running.token_seconds)} verified"
    if not lines.exact:
        yield "the file has changed since it was loaded: lines are those of routes"

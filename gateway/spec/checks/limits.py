"""Limits: what they count by, where they count, and whether they limit anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.filter_spec import FilterSpec
from gateway.spec.filters import ConcurrencyLimit, Dpop, LimitSpec, Quota, RateLimit, RateLimitKey, SizeLimit
from gateway.spec.guards import GraphQLGuard, SoapGuard
from gateway.spec.webhooks import WebhookSignature


def check_limit(item: LimitSpec | ConcurrencyLimit, stores: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """A limit of requests by key."""
    yield from _check_key(item.key, (*path, "key"))
    if isinstance(item, LimitSpec):
        yield from check_store(item, stores, path)
    if isinstance(item, RateLimit | Quota) and item.per == 0:
        yield Finding((*path, "per"), "must be longer than 0s")
    if isinstance(item, Quota):
        empty = (name for name, plan in item.plans.items() if plan.per == 0)
        yield from (Finding((*path, "plans", name, "per"), "must be longer than 0s") for name in empty)


def check_operations(item: RateLimit, before: Sequence[FilterSpec]) -> Iterator[str]:
    """What is wrong with a limit of some operations: one that nobody has found out would never be counted."""
    if not item.operations:
        return
    guards = [one for one in before if isinstance(one, SoapGuard | GraphQLGuard)]
    if not guards:
        yield "nobody knows the operation yet: put a SoapGuard or a GraphQLGuard before it"
    for guard in guards:
        if isinstance(guard, GraphQLGuard):
            if guard.persisted is None or guard.persisted.mode != "require":
                yield (
                    "what a GraphQL operation calls itself is the client's own word: let the guard before it require "
                    "persisted queries, or count fields there (rootFields, max)"
                )
        elif (offered := guard.offered()) is None:
            yield "operations are those of a contract: name its file in the guard's wsdl"
        elif unknown := [name for name in item.operations if name not in offered]:
            yield f'the contract has no operation "{unknown[0]}"; it has {", ".join(offered)}'


def check_sizes(item: SizeLimit, path: Path) -> Iterator[Finding]:
    """A limit of bytes."""
    if item.max_request_bytes is None and item.max_response_bytes is None:
        yield Finding(path, "limits nothing: give maxRequestBytes, maxResponseBytes, or both")


def counts_by_claims(item: LimitSpec | ConcurrencyLimit) -> bool:
    """Whether it needs somebody before it who verified them."""
    return item.key.type == "Claim" or (isinstance(item, Quota) and bool(item.plans))


def _check_key(key: RateLimitKey, path: Path) -> Iterator[Finding]:
    needs_name = key.type in ("Claim", "Header")
    if needs_name and not key.name:
        yield Finding(path, f"a key of type {key.type} needs the name of the {key.type.lower()}")
    if not needs_name and key.name:
        yield Finding((*path, "name"), f"a key of type {key.type} has no name")


def check_store(limit: LimitSpec | WebhookSignature | Dpop, stores: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Nobody can guess for others whether a store that is away should open or close."""
    if limit.store is not None:
        yield from reference(limit.store, stores, "store", (*path, "store"))
        if limit.on_store_failure is None:
            yield Finding(
                (*path, "store"), "say what happens while it is away: onStoreFailure: fail_open or fail_closed"
            )
    elif limit.on_store_failure is not None:
        yield Finding((*path, "onStoreFailure"), "without a store there is none that could fail")

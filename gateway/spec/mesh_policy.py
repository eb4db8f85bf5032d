"""Who may call a service of the mesh, as its file says it: names of services where certificates have SPIFFE IDs.

The problem: a name that is misspelt lets nobody in, or, in a rule that denies, everybody. The rule: names are those of
the manifest or whole SPIFFE IDs; whatever a policy leaves open stays inside the mesh, and what says of nobody that it
may come opens nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.spec.errors import nearest
from gateway.spec.source import PathTuple, Source


@dataclass(frozen=True)
class Members:
    """Who is in the mesh, as the manifest knows it."""

    peers: Mapping[str, Sequence[str]]
    """The services that each service calls; the keys are all there are."""
    identities: Mapping[str, str]
    """SPIFFE IDs by name, those of gateway and control among them."""


def check_principals(source: Source, value: Any, path: PathTuple, known: Sequence[str]) -> None:
    """A name of nobody is a mistake: a rule that denies it would deny nobody."""
    if isinstance(value, dict):
        for key, inner in value.items():
            check_principals(source, inner, (*path, key), known)
    elif isinstance(value, tuple):
        for index, inner in enumerate(value):
            if path[-1] == "principals" and isinstance(inner, str) and not _is_somebody(inner, known):
                message = f'"{inner}" is neither a service of the mesh nor a SPIFFE ID'
                source.report((*path, index), message, nearest(inner, known))
            check_principals(source, inner, (*path, index), known)


def _is_somebody(name: str, known: Sequence[str]) -> bool:
    return name in known or name == "*" or name.startswith("spiffe://")


def lets_somebody_in(one: Any) -> bool:
    """Whether a filter is a policy that says who may come; one that only denies, or only counts, opens nothing."""
    policy = isinstance(one, dict) and one.get("type") == "AuthorizationPolicy"
    return policy and bool(one.get("allow")) and one.get("enforced", True) is not False


def named(one: Any, members: Members) -> Any:
    """A policy with the names of services written out as identities."""
    if not isinstance(one, dict) or one.get("type") != "AuthorizationPolicy":
        return one
    sides = {key: one[key] for key in ("allow", "deny") if isinstance(one.get(key), tuple)}
    written = one | {key: tuple(_rule(rule, members) for rule in rules) for key, rules in sides.items()}
    if isinstance(written.get("allow"), tuple):
        written["allow"] = tuple(_of_the_mesh(rule, members) for rule in written["allow"])
    return written


def _of_the_mesh(rule: Any, members: Members) -> Any:
    """Who allows a path and names nobody means everybody in the mesh."""
    if not isinstance(rule, dict) or "principals" in rule or not set(rule) - {"name", "unless"}:
        return rule
    anybody = next(iter(members.identities.values())).rpartition("/")[0] + "/*"
    return rule | {"principals": (anybody,)}


def _rule(rule: Any, members: Members) -> Any:
    if not isinstance(rule, dict):
        return rule
    written = dict(rule)
    if isinstance(rule.get("principals"), tuple):
        written["principals"] = tuple(members.identities.get(one, one) for one in rule["principals"])
    if "unless" in rule:
        written["unless"] = _rule(rule["unless"], members)
    return written

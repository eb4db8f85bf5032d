"""The ways out of a mesh: who may call a third party is said by identities.

The problem: outside of a mesh a way out is a port of this machine, and the operating system says which services may
connect there. The rule: in a mesh it is a door of the mesh like any other. Its listeners take nobody without an
identity, and each of its routes only those services of which the manifest says that they call the third party.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.spec.authorization import AuthorizationPolicy, Rule
from gateway.spec.models import Listener, ListenerTls, Route, Spec

NOBODY: Final = "nobody-is-allowed"


def with_callers(spec: Spec, callers: Mapping[str, Sequence[str]]) -> Spec:
    """A configuration whose ways out are doors of the mesh; `callers` are identities, by third party."""
    out = {one.name: one.egress.third_party for one in spec.listeners if one.egress}
    return spec.model_copy(
        update={
            "listeners": tuple(map(_in_mesh, spec.listeners)),
            "routes": tuple(_guarded(route, out, callers) for route in spec.routes),
        }
    )


def _in_mesh(listener: Listener) -> Listener:
    return listener.model_copy(update={"tls": ListenerTls(mesh=True)}) if listener.egress else listener


def _guarded(route: Route, out: Mapping[str, str], callers: Mapping[str, Sequence[str]]) -> Route:
    party = next((out[name] for name in route.listeners or out if name in out), None)  # a way out has routes of its own
    if party is None:
        return route
    rule = Rule(name=f"callers-of-{party}", principals=tuple(callers.get(party, ())) or (NOBODY,))
    policy = AuthorizationPolicy(allow=(rule,), where=route.where)
    return route.model_copy(update={"filters": (policy, *route.filters)})

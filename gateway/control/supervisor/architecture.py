"""The same shop in four architectures, by name.

    monolith   one process with one database; no gateway in front, no mesh
    flat       services; what stands in front finds the way by path and decides nothing
    gateway    services behind a gateway with policies
    mesh       the same, with a sidecar beside every service

The problem: architectures are compared fairly only where nothing else differs. The rule: the services' code, the
addresses that clients use and the people's passwords are the same in all of them; an architecture is which processes
run, and which file the gateway serves. All of that is said here, as values.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gateway.control.supervisor.manifest import Manifest, ServiceEntry
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.read_spec import SpecSummary


@dataclass(frozen=True)
class Architecture:
    """What one of them is made of."""

    name: str
    config: str
    """Which of the ready configurations the gateway serves, unless another file is named."""
    gateway: bool = True
    monolith: bool = False


ARCHITECTURES: Final = {
    one.name: one
    for one in (
        Architecture("monolith", "monolith.yaml", gateway=False, monolith=True),
        Architecture("flat", "flat.yaml"),
        Architecture("gateway", "shop.yaml"),
        Architecture("mesh", "shop.yaml"),
    )
}


def architecture_of(options: Options) -> Architecture:
    """The one that an instance runs; where there is a mesh's file, there is a mesh."""
    return ARCHITECTURES["mesh" if options.mesh else options.architecture]


def arranged(manifest: Manifest, architecture: Architecture) -> Manifest:
    """The manifest with the processes of this architecture."""
    if not architecture.monolith or manifest.monolith is None:
        return manifest
    inside = [entry for entry in manifest.services if entry.name in manifest.monolith.modules]
    whole = _monolith(manifest.monolith, inside)
    outside = [entry for entry in manifest.services if entry not in inside]
    there = {whole.name, *(entry.name for entry in outside)}
    others = (replace(entry, peers=tuple(peer for peer in entry.peers if peer in there)) for entry in outside)
    # Its modules stay clients of identity by their own names, so their secrets are made as ever.
    return replace(manifest, services=(whole, *others), clients=(*manifest.clients, *whole.secrets["clients"]))


def without_gateway(spec: SpecSummary, architecture: Architecture) -> SpecSummary:
    """What of a configuration is to be served: nothing, where there is nobody to serve it."""
    return spec if architecture.gateway else replace(spec, listeners=(), workers=0)


def _monolith(entry: ServiceEntry, modules: Iterable[ServiceEntry]) -> ServiceEntry:
    """One process that may do what any of its modules may: that is what a monolith is."""
    modules = list(modules)
    names = {module.name for module in modules}
    peers = dict.fromkeys(peer for one in (*modules, entry) for peer in one.peers if peer not in names)
    secrets: dict[str, list[str]] = {
        kind: list(dict.fromkeys(name for module in modules for name in module.secrets.get(kind, ())))
        for kind in ("shared", "webhooks", "api_keys")
    }
    secrets["clients"] = [module.name for module in modules if module.secrets.get("clients") == "own"]
    return replace(
        entry,
        public=True,
        peers=tuple(peers),
        redis=tuple(dict.fromkeys(rule for module in modules for rule in module.redis)),
        secrets=secrets,
        options={f"{module.name}.{name}": value for module in modules for name, value in module.options.items()},
    )

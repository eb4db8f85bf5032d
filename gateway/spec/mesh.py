"""What a mesh's file means: one ordinary configuration for each sidecar.

    services:                                             # who they are and whom they call is in the manifest
      - name: orders
        filters:                                          # what comes in; `principals` may be names of services
          - {type: AuthorizationPolicy, allow: [{name: shop, principals: [gateway, storefront]}]}
        calls:                                            # how it calls others, where the defaults do not do
          - {to: identity, timeouts: {request: 2s}}
    clusters:                                             # how a service is called, whoever calls
      - {name: orders, loadBalancing: round_robin}

The problem: a sidecar is a gateway with two sides, and nobody wants to write ten nearly equal files. The rule: the
file says what is special; here it becomes complete specs, in the same words as any other configuration, so that a
sidecar runs, checks and explains what a gateway does. A service without a policy is called by nobody: default deny.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.spec.checks import check
from gateway.spec.errors import nearest
from gateway.spec.loader import load_data
from gateway.spec.mesh_names import APP, INBOUND, outbound
from gateway.spec.models import ClusterTls, Document, FilterTypes, Spec
from gateway.spec.reading import parse, plain
from gateway.spec.source import PathTuple, Source

NOBODY: Final = "nobody-is-allowed"
_KEYS: Final = frozenset({"services", "clusters", "providers", "stores"})
_OURS: Final = frozenset({"listeners", "matches", "backendRefs", "public", "hostnames"})
"""Keys of a route that the mesh decides."""


@dataclass(frozen=True)
class Members:
    """Who is in the mesh, as the manifest knows it."""

    peers: Mapping[str, Sequence[str]]
    """The services that each service calls; the keys are all there are."""
    identities: Mapping[str, str]
    """SPIFFE IDs by name, those of gateway and control among them."""


def load_mesh(
    text: str,
    file: str,
    variables: Mapping[str, str],
    members: Members,
    filter_types: FilterTypes,
    authenticating: Collection[str],
    answering: Collection[str],
    folder: Path,
    now: float,
) -> dict[str, Spec]:
    """The spec of each service's sidecar.

    Raises:
        SpecErrors: everything that is wrong with the file, each with its line.
    """
    source = parse(text, file, variables)
    data = plain(source)
    said = _services(source, data, members)
    specs: dict[str, Spec] = {}
    told: set[tuple[PathTuple, str]] = set()
    for name in members.peers:
        index, service = said.get(name, (None, {}))
        document, places = _document(data, name, index, service, members)
        moved = Moved(source, places, () if index is None else ("services", index), told)
        mistakes = len(source.errors)
        spec = load_data(document, moved, filter_types, folder)
        if spec is not None and len(source.errors) == mistakes:
            for finding in check(spec, authenticating=authenticating, answering=answering, now=now):
                moved.report(finding.path, finding.message, finding.suggestion)
            specs[name] = spec
    source.stop_on_errors()
    return specs


def with_identities(spec: Spec, identities: Mapping[str, str]) -> Spec:
    """A gateway's spec in the mesh: whatever it calls by service must prove to be that service."""
    clusters = [
        one.model_copy(update={"tls": ClusterTls(identity=identities[one.service])})
        if one.service in identities and one.service is not None
        else one
        for one in spec.clusters
    ]
    return spec.model_copy(update={"clusters": tuple(clusters)})


class Moved:
    """A source whose parts stand elsewhere in the document that is checked than in the file."""

    def __init__(
        self,
        source: Source,
        places: Mapping[PathTuple, PathTuple],
        otherwise: PathTuple,
        told: set[tuple[PathTuple, str]],
    ) -> None:
        """`told` is what was reported already: what several sidecars share would be wrong in each."""
        self._source, self._places, self._otherwise, self._told = source, places, otherwise, told

    def original(self, path: PathTuple) -> PathTuple:
        """Where in the file the value stands."""
        for length in range(len(path), 0, -1):
            if path[:length] in self._places:
                return (*self._places[path[:length]], *path[length:])
        return self._otherwise

    def report(self, path: PathTuple, message: str, suggestion: str | None = None, *, key: bool = False) -> None:
        """Note a mistake, once."""
        original = self.original(path)
        if (original, message) not in self._told:
            self._told.add((original, message))
            self._source.report(original, message, suggestion, key=key)

    def where(self, path: PathTuple) -> str:
        """`file:line` of a value."""
        return self._source.where(self.original(path))


def _services(source: Source, data: Any, members: Members) -> dict[str, tuple[int, dict[str, Any]]]:
    """What the file says of each service, with its place; whatever concerns who is who is checked here."""
    if not isinstance(data, dict) or not isinstance(data.get("services"), tuple):
        source.report((), "a mesh needs a list of services")
        source.stop_on_errors()
    for key in data:
        if key not in _KEYS:
            source.report((key,), f'unknown key "{key}"', nearest(key, tuple(_KEYS)), key=True)
    found = _by_name(source, data["services"], ("services",), "name", tuple(members.peers), "service of the mesh")
    for name, (index, service) in found.items():
        for key in sorted(_OURS & set(service)):
            source.report(("services", index, key), f"{key} is not said here: the mesh decides it", key=True)
        _by_name(source, service.get("calls", ()), ("services", index, "calls"), "to", members.peers[name], "peer")
    known = tuple(dict.fromkeys(peer for peers in members.peers.values() for peer in peers))
    _by_name(source, data.get("clusters", ()), ("clusters",), "name", known, "service that somebody calls")
    return found


def _by_name(
    source: Source, items: Any, path: PathTuple, key: str, known: Sequence[str], what: str
) -> dict[str, tuple[int, dict[str, Any]]]:
    """The mappings of a list by what stands under `key`, with their places; each name is known and stands once."""
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    if not isinstance(items, tuple):
        source.report(path, "expected a list")
        return found
    for index, item in enumerate(items):
        name = item.get(key) if isinstance(item, dict) else None
        if not isinstance(name, str) or name not in known:
            message = f"`{key}` must be a {what}: {', '.join(known) or 'there is none'}"
            source.report((*path, index, key), message, nearest(str(name), tuple(known)))
        elif name in found:
            source.report((*path, index, key), f'"{name}" stands here already')
        else:
            found[name] = index, item
    return found


def _document(
    data: dict[str, Any], name: str, index: int | None, service: dict[str, Any], members: Members
) -> tuple[Document, dict[PathTuple, PathTuple]]:
    """A complete configuration as plain data, and where its parts stand in the file."""
    peers = members.peers[name]
    here: PathTuple = () if index is None else ("services", index)
    places: dict[PathTuple, PathTuple] = {(key,): (key,) for key in ("providers", "stores")}
    places["routes", 0] = here
    routes = [_into(name, service, members)]
    clusters: list[dict[str, Any]] = [{"name": APP, "service": APP}]
    calls, said = _found(service.get("calls"), "to"), _found(data.get("clusters"), "name")
    for number, peer in enumerate(peers, start=1):
        place, call = calls.get(peer, (None, {}))
        places["routes", number] = here if place is None else (*here, "calls", place)
        routes.append(_to(name, peer, call))
        place, cluster = said.get(peer, (None, {}))
        places["clusters", number] = here if place is None else ("clusters", place)
        clusters.append({**cluster, "name": peer, "service": peer, "tls": {"identity": members.identities[peer]}})
    return {
        "listeners": (_listener(INBOUND) | {"tls": {"mesh": True}}, *map(_listener, map(outbound, peers))),
        "clusters": tuple(clusters),
        "routes": tuple(routes),
        "providers": data.get("providers", ()),
        "stores": data.get("stores", ()),
        "tracing": {"sampled": 0, "passOn": True},
        "accessLog": {"path": f"sidecar-{name}.log"},
        "workers": 1,
    }, places


def _found(items: Any, key: str) -> dict[str, tuple[int | None, dict[str, Any]]]:
    """What `_by_name` found before, where nothing is said any more."""
    found: dict[str, tuple[int | None, dict[str, Any]]] = {}
    for index, item in enumerate(items if isinstance(items, tuple) else ()):
        if isinstance(item, dict):
            found.setdefault(str(item.get(key)), (index, item))
    return found


def _listener(name: str) -> dict[str, Any]:
    """Bound by the supervisor, to whatever port was free; both sides are processes of ours."""
    return {"name": name, "port": 0, "trustedHops": 1, "maxConnectionsPerAddress": 0}


def _into(name: str, service: dict[str, Any], members: Members) -> dict[str, Any]:
    """The route of what comes in."""
    said = {key: value for key, value in service.items() if key not in ("name", "calls")}
    filters = said.get("filters", ())
    named = tuple(_named(one, members) for one in filters) if isinstance(filters, tuple) else filters
    if isinstance(named, tuple):
        if not any(isinstance(one, dict) and one.get("type") == "AuthorizationPolicy" for one in named):
            denied = {"name": NOBODY, "principals": (members.identities[name] + "/" + NOBODY,)}
            named = (*named, {"type": "AuthorizationPolicy", "allow": (denied,)})
        named = (*named, {"type": "SidecarSecret"})
    return said | {
        "name": f"into-{name}",
        "listeners": (INBOUND,),
        "filters": named,
        "backendRefs": ({"cluster": APP},),
    }


def _to(name: str, peer: str, call: dict[str, Any]) -> dict[str, Any]:
    """The route of what the service says to a peer."""
    said = {key: value for key, value in call.items() if key != "to"}
    return said | {
        "name": f"{name}-to-{peer}",
        "listeners": (outbound(peer),),
        "public": True,  # nobody but the service itself reaches this listener, and the other side decides
        "backendRefs": ({"cluster": peer},),
    }


def _named(one: Any, members: Members) -> Any:
    """A policy with the names of services written out as identities."""
    if not isinstance(one, dict) or one.get("type") != "AuthorizationPolicy":
        return one
    sides = {key: one[key] for key in ("allow", "deny") if isinstance(one.get(key), tuple)}
    return one | {key: tuple(_rule(rule, members) for rule in rules) for key, rules in sides.items()}


def _rule(rule: Any, members: Members) -> Any:
    if not isinstance(rule, dict):
        return rule
    written = dict(rule)
    if isinstance(rule.get("principals"), tuple):
        written["principals"] = tuple(members.identities.get(one, one) for one in rule["principals"])
    if "unless" in rule:
        written["unless"] = _rule(rule["unless"], members)
    return written

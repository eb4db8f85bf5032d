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
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, TypeAdapter, ValidationError

from gateway.spec.checks import check
from gateway.spec.errors import nearest
from gateway.spec.fields import Duration
from gateway.spec.loader import load_data
from gateway.spec.mesh_names import APP, INBOUND, outbound
from gateway.spec.mesh_policy import Members as Members  # part of what this module offers
from gateway.spec.mesh_policy import check_principals, lets_somebody_in, named
from gateway.spec.models import ClusterTls, Document, FilterTypes, Spec
from gateway.spec.reading import parse, plain
from gateway.spec.source import PathTuple, Source

NOBODY: Final = "nobody-is-allowed"
CERTIFICATE_LIFE: Final = 600.0
"""Seconds for which a certificate is good where the file says nothing."""
_LIFE: Final = TypeAdapter(Annotated[Duration, Field(ge=2.0, le=86_400.0)])
OURS_FIRST: Final = 2
"""Filters of ours that stand before those that the file names for a call."""
_KEYS: Final = frozenset({"certificateLife", "services", "clusters", "providers", "stores"})
_OURS: Final = frozenset({"listeners", "matches", "backendRefs", "public", "hostnames"})
"""Keys of a route that the mesh decides."""


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
    _life(source, data)
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


def certificate_life(text: str, file: str, variables: Mapping[str, str]) -> float:
    """For how many seconds a certificate is good, as the file says it; only the next start of a mesh heeds it.

    Raises:
        SpecErrors: it is no YAML, or no duration.
    """
    source = parse(text, file, variables)
    data = plain(source)
    life = _life(source, data) if isinstance(data, dict) else CERTIFICATE_LIFE
    source.stop_on_errors()
    return life


def _life(source: Source, data: dict[str, Any]) -> float:
    if "certificateLife" not in data:
        return CERTIFICATE_LIFE
    try:
        return _LIFE.validate_python(data["certificateLife"], context={"file": True})
    except ValidationError:
        source.report(("certificateLife",), "for how long a certificate is good: from 2s to 24h, like 10m")
        return CERTIFICATE_LIFE


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
        calls = _by_name(
            source, service.get("calls", ()), ("services", index, "calls"), "to", members.peers[name], "peer"
        )
        for place, call in calls.values():
            if not isinstance(call.get("filters", ()), tuple):
                source.report(("services", index, "calls", place, "filters"), "expected a list of filters")
        check_principals(source, service.get("filters"), ("services", index, "filters"), tuple(members.identities))
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
        if place is not None:
            for position in range(OURS_FIRST, len(routes[-1]["filters"])):
                written = (*here, "calls", place, "filters", position - OURS_FIRST)
                places["routes", number, "filters", position] = written
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
    written = tuple(named(one, members) for one in filters) if isinstance(filters, tuple) else filters
    if isinstance(written, tuple):
        if not any(map(lets_somebody_in, written)):
            denied = {"name": NOBODY, "principals": (members.identities[name] + "/" + NOBODY,)}
            written = (*written, {"type": "AuthorizationPolicy", "allow": (denied,)})
        written = (*written, {"type": "KeepOnwardTokens", "issuer": members.identities["gateway"]})
        written = (*written, {"type": "SidecarSecret"})
    return said | {
        "name": f"into-{name}",
        "listeners": (INBOUND,),
        "filters": written,
        "backendRefs": ({"cluster": APP},),
    }


def _to(name: str, peer: str, call: dict[str, Any]) -> dict[str, Any]:
    """The route of what the service says to a peer."""
    said = {key: value for key, value in call.items() if key != "to"}
    filters = said.get("filters", ())
    filters = filters if isinstance(filters, tuple) else ()  # told already
    return said | {
        "name": f"{name}-to-{peer}",
        "listeners": (outbound(peer),),
        "public": True,  # nobody but the service itself gets past the first filter, and the other side decides
        "filters": ({"type": "ServiceSecret"}, {"type": "UseOnwardToken", "service": peer}, *filters),
        "backendRefs": ({"cluster": peer},),
    }

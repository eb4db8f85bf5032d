"""Which copies of each service get requests, and which version gets a share of them: as the supervisor says.

The problem: copies come and go while requests flow, and a new version must be tried by a few of them, on every route of
its service, without a line of the configuration. The rule: the supervisor owns the copies and tells control of them;
from that control makes addresses, by *group*: `orders` are the copies that get the service's requests, `orders.v2`
those of a version that is tried. A configuration is shaped for it before it is sent: each cluster that finds `orders`
gets a twin that finds `orders.v2`, and each route that leads there alone gets a canary, as if it stood in the file.

Pure: documents in, documents out. A name of a service has no dot, so what was made here is always told from what was
written, and shaping twice is the same as once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.spec.models import Canary, CanaryHeader, CanaryRollback

HEADER = CanaryHeader(name="x-canary")
"""Who sends `X-Canary: always` gets the version that is tried."""
MAX_NAME = 63

Document = dict[str, Any]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Copy(_Part):
    """One process of a service."""

    name: str
    version: str
    address: str
    """`host:port` of the process itself; in a mesh its sidecar says where it is reached."""
    serving: bool = True
    canary: bool = False


class Trial(_Part):
    """A version that gets a share of its service's requests."""

    version: str
    weight: int = Field(ge=0, le=100)
    """Percent."""
    rollback: CanaryRollback = CanaryRollback()


class Placement(_Part):
    """Everything that the supervisor says of copies."""

    services: dict[str, tuple[Copy, ...]] = Field(default_factory=dict)
    trials: dict[str, Trial] = Field(default_factory=dict)
    """By service."""

    def groups(self) -> dict[str, str]:
        """The group of each copy that gets requests, by the copy's name."""
        return {
            copy.name: trial_group(service, copy.version) if copy.canary else service
            for service, copies in self.services.items()
            for copy in copies
            if copy.serving
        }

    def endpoints(self) -> dict[str, list[str]]:
        """Addresses by group, for those that are reached without a sidecar."""
        groups, found = self.groups(), dict[str, list[str]]()
        for service, copies in self.services.items():
            found[service] = []
            for copy in copies:
                if copy.name in groups:
                    found.setdefault(groups[copy.name], []).append(copy.address)
        return found


def trial_group(service: str, version: str) -> str:
    """What the copies of a version are called as long as it is tried."""
    return f"{service}.{version}"


def tried(document: Document) -> Iterator[tuple[str, Document]]:
    """The routes of a shaped configuration that a trial gave a canary to, each with the trial's group."""
    services = {one["name"]: one.get("service") or "" for one in document.get("clusters", ())}
    for route in document.get("routes", ()):
        canary = route.get("canary")
        if canary and "." in services.get(canary["cluster"], ""):
            yield services[canary["cluster"]], route


def shape(document: Document, trials: Mapping[str, Trial]) -> Document:
    """A configuration with what the trials in hand need, and nothing of former ones.

    Raises:
        ValueError: a name that is needed is taken, or too long.
    """
    plain = _without(document)
    if not trials:
        return plain
    clusters, twins = list(plain["clusters"]), dict[str, tuple[str, Trial]]()
    names = {one["name"] for one in clusters}
    for one in plain["clusters"]:
        trial = trials.get(one.get("service") or "")
        if trial is None:
            continue
        twin = trial_group(one["name"], trial.version)
        if twin in names or len(twin) > MAX_NAME:
            raise ValueError(f'no cluster can be called "{twin}": choose another name for this version')
        clusters.append({**one, "name": twin, "service": trial_group(one["service"], trial.version)})
        twins[one["name"]] = twin, trial
    return {**plain, "clusters": clusters, "routes": [_on_trial(route, twins) for route in plain["routes"]]}


def _without(document: Document) -> Document:
    made = {one["name"] for one in document["clusters"] if "." in (one.get("service") or "")}
    if not made:
        return document
    routes = [
        {**one, "canary": None} if one.get("canary") and one["canary"]["cluster"] in made else one
        for one in document["routes"]
    ]
    clusters = [one for one in document["clusters"] if one["name"] not in made]
    return {**document, "clusters": clusters, "routes": routes}


def _on_trial(route: Document, twins: Mapping[str, tuple[str, Trial]]) -> Document:
    """A canary for a route that leads to the service alone and has none of its own."""
    leads_to = {ref["cluster"] for ref in route.get("backendRefs", ()) if ref.get("weight", 1)}
    if route.get("canary") or len(leads_to) != 1 or not leads_to <= twins.keys():
        return route
    twin, trial = twins[leads_to.pop()]
    canary = Canary(cluster=twin, weight=trial.weight, header=HEADER, rollback=trial.rollback)
    return {**route, "canary": canary.model_dump(mode="json", by_alias=True)}

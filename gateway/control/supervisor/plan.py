"""What to run: a pure function from what is known to descriptions of processes.

Nothing is started, opened or read here, so a test (or a reader) sees the whole system as one value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.control.supervisor import ports
from gateway.control.supervisor.architecture import architecture_of
from gateway.control.supervisor.confinement import Code, egress_rules, find_code, service_rules
from gateway.control.supervisor.copies import MOST, Copies, Copy, Version
from gateway.control.supervisor.installation import Installation
from gateway.control.supervisor.manifest import Manifest, ServiceEntry
from gateway.control.supervisor.mesh_plan import in_mesh, mesh_plans
from gateway.control.supervisor.mesh_site import MeshSite
from gateway.control.supervisor.node import program_of
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.program import (
    EGRESS,
    GATEWAY,
    OWN_LAST_GOOD,
    ProcessPlan,
    Program,
    port_of,
    python_module,
)
from gateway.control.supervisor.prometheus import prometheus_plan
from gateway.control.supervisor.readiness import HttpProbe, WorkerProbe
from gateway.control.supervisor.resp import parse_url
from gateway.control.supervisor.state_dir import StateDir
from gateway.mesh.isolation.rules import Rules

LOOPBACK = "127.0.0.1"
CONTROL_GRACE = 10.0
"""Seconds: a run of the lab that the console has begun takes back what it did."""


@dataclass(frozen=True)
class WayOut:
    """A listener of the egress gateway."""

    listener: str
    address: str
    """`host:port`."""


@dataclass(frozen=True)
class Site:
    """Everything the plan depends on."""

    options: Options
    state: StateDir
    config: Path
    variables: Mapping[str, str] = field(repr=False)
    ports: Mapping[str, int]
    manifest: Manifest
    installation: Installation
    listeners: Mapping[str, int]
    """Inherited listening sockets: listener name → descriptor."""
    public_url: str
    workers: int
    drain_timeout: float
    admin_secret: str = field(repr=False)
    otlp_secret: str = field(repr=False)
    control_secret: str = field(repr=False)
    """What workers tell control, since whoever runs as this user can open a Unix socket."""
    otlp: Mapping[str, Any] = field(repr=False)
    """Where spans go: endpoint and headers."""
    redis_url: str | None = None
    redis_user_prefix: str = ""
    code: Code = field(default_factory=Code)
    """The services'."""
    sidecar_code: Code = field(default_factory=Code)
    ways_out: Mapping[str, WayOut] = field(default_factory=dict)
    """By third party: where services call it; empty: each calls third parties itself."""
    internal_url: str | None = None
    """The listener `internal`, where services find the gateway's keys."""
    internal_secret: str = field(default="", repr=False)
    """What the workers' signing keys are derived from; new at each start."""
    mesh: MeshSite | None = None
    prometheus: str = ""
    """The program; empty: none runs."""
    copies: Copies = field(default_factory=Copies)
    changed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """Settings that were changed since the start, by process, or by service for all its copies."""

    def entry(self, service: str) -> ServiceEntry:
        """What the manifest says of a service.

        Raises:
            KeyError: nothing.
        """
        return self._entries[service]

    def copies_of(self, service: str) -> tuple[Copy, ...]:
        """The copies that a service has, by number."""
        return self.copies.of(self.entry(service), self.ports.get(service, 0))

    def copy_port(self, service: str, number: int) -> int | None:
        """Which port a copy has, or would have; None: there is none for it."""
        if number == 1:
            return self.ports[service]
        serving = [entry.name for entry in self.manifest.services if entry.port]
        base = None if self.options.port_base is None else self.ports["public"]
        return ports.of_copy(serving.index(service), number, base)

    @property
    def _entries(self) -> dict[str, ServiceEntry]:
        return {entry.name: entry for entry in self.manifest.services}

    def descriptors(self) -> list[int]:
        """Every inherited socket, for a successor."""
        return [*self.listeners.values(), *(self.mesh.descriptors() if self.mesh else ())]


def make_plan(site: Site) -> tuple[ProcessPlan, ...]:
    """Control, the gateway's workers, and the services; with a mesh also the authority and the sidecars."""
    workers = (_worker(site, f"gateway-{number}") for number in range(1, site.workers + 1))
    services = (_service(site, entry, copy) for entry in site.manifest.services for copy in site.copies_of(entry.name))
    ordinary = (_control(site), *workers, *_egress(site), *services)
    if site.mesh is not None:
        ordinary = (*mesh_plans(site, site.mesh), *(in_mesh(plan, site.mesh, site.ways_out) for plan in ordinary))
    if site.prometheus:
        ordinary = (*ordinary, prometheus_plan(site))
    return tuple(_changed(plan, site) for plan in ordinary) if site.changed else ordinary


def _changed(plan: ProcessPlan, site: Site) -> ProcessPlan:
    more = {**site.changed.get(plan.service, {}), **site.changed.get(plan.name, {})}
    return replace(plan, settings={**(plan.settings or {}), **more}) if more else plan


def control_program(options: Options, state: StateDir, mesh: MeshSite | None = None) -> Program:
    """The control process, as far as it is known before the configuration is read."""
    kept = (mesh.control.fd,) if mesh else ()
    return Program("control", "control", python_module(options.control_module), state.root, state.log("control"), kept)


def base_url(site: Site, service: str) -> str:
    """Where a service listens."""
    return f"http://{LOOPBACK}:{site.ports[service]}"


def reached_at(site: Site, service: str) -> str:
    """The `host:port` at which others find a service: its own, or that of what somebody has put in between."""
    return site.options.via.get(service, f"{LOOPBACK}:{site.ports[service]}")


def _control(site: Site) -> ProcessPlan:
    port, state = site.ports["admin"], site.state
    serving = [entry for entry in site.manifest.services if entry.port]
    settings = {
        "state_dir": str(state.root),
        "config": str(site.config),
        "variables": dict(site.variables),
        "endpoints": {},
        "placement": placement(site),
        "architecture": architecture_of(site.options).name,
        "gateway": architecture_of(site.options).gateway,
        "services": [
            {
                "name": entry.name,
                "url": base_url(site, entry.name),
                "about": entry.about,
                "public": entry.public,
                "outside": entry.outside,
            }
            for entry in serving
        ],
        "admin": {"host": LOOPBACK, "port": port},
        "collector": {"host": LOOPBACK, "port": site.ports["collector"]},
        "admin_secret": site.admin_secret,
        "otlp_secret": site.otlp_secret,
        "control_secret": site.control_secret,
        "control_socket": str(state.control_socket),
        "supervisor_socket": str(state.supervisor_socket),
        "prometheus": f"http://{LOOPBACK}:{site.ports['prometheus']}" if site.prometheus else None,
    }
    return ProcessPlan(
        **vars(control_program(site.options, state, site.mesh)),
        settings=settings,
        port=port,
        probe=HttpProbe(LOOPBACK, port, "/healthz"),
        grace=CONTROL_GRACE,
    )


def _worker(site: Site, name: str) -> ProcessPlan:
    state, out = site.state, {way.listener for way in site.ways_out.values()}
    listeners = {listener: fd for listener, fd in site.listeners.items() if listener not in out}
    settings = {
        "worker": name,
        "listeners": listeners,
        "control_socket": str(state.control_socket),
        "control_secret": site.control_secret,
        "last_good": str(state.last_good),
        "state_dir": str(state.root),
        "otlp": dict(site.otlp),
        "redis": _gateway_account(site),
        "internal_secret": site.internal_secret,
    }
    return ProcessPlan(
        name=name,
        kind="worker",
        argv=python_module(site.options.worker_module),
        cwd=state.root,
        log=state.log(name),
        settings=settings,
        keep_fds=tuple(listeners.values()),
        probe=WorkerProbe(HttpProbe(LOOPBACK, site.ports["admin"], "/readyz"), name),
        grace=site.drain_timeout + 2,
    )


def _egress(site: Site) -> Iterator[ProcessPlan]:
    """The egress gateway, where there is a way out: told no secret but the one that control knows it by."""
    if not site.ways_out:
        return
    folder = site.state.data(EGRESS)
    listeners = {way.listener: site.listeners[way.listener] for way in site.ways_out.values()}
    settings = {
        "worker": EGRESS,
        "listeners": listeners,
        "control_socket": str(site.state.control_socket),
        "control_secret": site.control_secret,
        "last_good": str(folder / OWN_LAST_GOOD),
        "state_dir": str(folder),
    }
    yield ProcessPlan(
        name=EGRESS,
        kind="egress",
        argv=python_module("gateway.roles.egress_gateway"),
        cwd=folder,
        log=site.state.log(EGRESS),
        rules=egress_rules(site, folder),
        settings=settings,
        keep_fds=tuple(listeners.values()),
        port=port_of(next(iter(site.ways_out.values())).address),
        probe=WorkerProbe(HttpProbe(LOOPBACK, site.ports["admin"], "/readyz"), EGRESS),
        grace=site.drain_timeout + 2,
    )


def _service(site: Site, entry: ServiceEntry, copy: Copy) -> ProcessPlan:
    port = copy.port if entry.port else None
    version = site.copies.version(entry, copy.version) or Version(copy.version)
    peers, argv = _peers(site, entry), program_of(entry, site.options, version.module)
    settings = {
        **site.manifest.settings,
        **version.settings,
        "service": entry.name,
        "instance": f"{entry.name}-{copy.number}",
        "version": copy.version,
        "host": LOOPBACK,
        "port": port or 0,
        "data_dir": str(site.state.data(entry.name)),
        "peers": peers,
        "public_url": site.public_url,
        "redis": _redis(site, entry),
        "otlp": None if entry.outside else dict(site.otlp),
        "secrets": _secrets(site.installation, entry),
        "options": {**entry.options, **version.settings.get("options", {})},
    }
    if peers_file(site, entry):
        settings["peers_file"] = str(peers_file(site, entry))
    if outside := [peer for peer in entry.peers if site.entry(peer).outside]:
        settings["third_parties"] = {peer: base_url(site, peer) for peer in outside}
    return ProcessPlan(
        name=copy.name,
        kind="service",
        argv=argv,
        cwd=site.state.data(entry.name),
        log=site.state.log(copy.name),
        rules=_rules(site, copy, version, peers, argv),
        path=version.path,
        service=entry.name,
        version=copy.version,
        settings=settings,
        port=port,
        probe=HttpProbe(LOOPBACK, port, "/readyz") if port else None,
        autostart=entry.autostart,
    )


def placement(site: Site) -> dict[str, Any]:
    """What control is told of the copies (gateway.control.placement)."""
    serving = [entry for entry in site.manifest.services if entry.port]
    wanted = {entry.name: site.copies.wanted(entry) for entry in serving}
    return {
        "services": {
            entry.name: [
                {
                    "name": copy.name,
                    "version": copy.version,
                    "address": copy_at(site, copy),
                    "serving": copy.place == "in",
                    "canary": copy.canary,
                }
                for copy in site.copies_of(entry.name)
            ]
            for entry in serving
        },
        "trials": {
            name: {"version": one.canary.version, "weight": one.canary.weight, "rollback": dict(one.canary.rollback)}
            for name, one in wanted.items()
            if one.canary and any(copy.canary and copy.place == "in" for copy in site.copies_of(name))
        },
    }


def peers_file(site: Site, entry: ServiceEntry) -> Path | None:
    """Where a service finds its peers' copies, as they are now; in a mesh its sidecar knows them."""
    return site.state.data(entry.name) / "peers.json" if entry.peers and site.mesh is None else None


def copy_at(site: Site, copy: Copy) -> str:
    """The `host:port` at which others find a copy of a service that has no sidecar."""
    return reached_at(site, copy.service) if copy.number == 1 else f"{LOOPBACK}:{copy.port}"


def _rules(site: Site, copy: Copy, version: Version, peers: Mapping[str, str], argv: tuple[str, ...]) -> Rules:
    """What a copy may do: what its service may, at its own port, and call the copies that its peers may ever have."""
    entry = site.entry(copy.service)
    rules = service_rules(site, entry, peers, argv)
    code = find_code({version.module}, {}).read if version.module and not version.path else ()
    read = (*rules.read, *code, *filter(None, [version.path]))
    if peers_file(site, entry):
        numbers = range(2, MOST + 2)
        inside = [peer for peer in entry.peers if peer not in site.ways_out]
        later = {site.copy_port(peer, number) for peer in inside for number in numbers}
        rules = replace(rules, connect=tuple(sorted({*(rules.connect or ()), *(port for port in later if port)})))
    return replace(rules, read=read, bind=(copy.port,) if entry.port else ())


def peer_addresses(site: Site, entry: ServiceEntry) -> dict[str, list[str]]:
    """What that file says; versions that are tried get no calls of peers, only of the gateway's routes."""
    copies = {
        peer: [f"http://{copy_at(site, one)}" for one in site.copies_of(peer) if one.place == "in" and not one.canary]
        for peer in entry.peers
        if peer not in site.ways_out
    }
    return {name: [url] for name, url in _peers(site, entry).items()} | copies


def _peers(site: Site, entry: ServiceEntry) -> dict[str, str]:
    """Whom it may ask, and where: the listed services, and the gateway for its keys."""
    gateway = {GATEWAY: site.internal_url} if site.internal_url and not entry.outside else {}
    return {peer: f"http://{_called_at(site, peer)}" for peer in entry.peers} | gateway


def _called_at(site: Site, peer: str) -> str:
    """A third party is called through the egress gateway, where there is one."""
    return site.ways_out[peer].address if peer in site.ways_out else reached_at(site, peer)


def _redis(site: Site, entry: ServiceEntry) -> dict[str, str] | None:
    if not entry.redis or site.redis_url is None:
        return None
    user = site.redis_user_prefix + entry.name
    return {"url": site.redis_url, "username": user, "password": site.installation.redis[entry.name]}


def _gateway_account(site: Site) -> dict[str, Any] | None:
    """Who the workers are to our Redis; a configuration says `service: redis` and needs no secret."""
    if site.redis_url is None:
        return None
    address = parse_url(site.redis_url)
    host = f"[{address.host}]" if ":" in address.host else address.host
    return {
        "address": f"{host}:{address.port}",
        "user": site.redis_user_prefix + GATEWAY,
        "password": site.installation.redis[GATEWAY],
        "database": address.database,
        "tls": address.tls,
    }


def _named_secrets(installation: Installation) -> tuple[tuple[str, Mapping[str, str]], ...]:
    return (
        ("shared", installation.shared),
        ("webhooks", installation.webhooks),
        ("api_keys", installation.api_keys),
    )


def _secrets(installation: Installation, entry: ServiceEntry) -> dict[str, Any]:
    """What this service must know and nothing more (least privilege)."""
    given: dict[str, Any] = {}
    if entry.secrets.get("users"):
        given["users"] = dict(installation.users)
    clients = entry.secrets.get("clients")
    if clients == "own":
        given["client_secret"] = installation.clients[entry.name]
    elif clients:
        names = installation.clients if clients == "all" else clients
        given["clients"] = {name: installation.clients[name] for name in names}
    for kind, known in _named_secrets(installation):
        if named := entry.secrets.get(kind):
            given[kind] = {name: known[name] for name in named}
    return given

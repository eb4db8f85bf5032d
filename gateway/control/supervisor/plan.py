"""What to run: a pure function from what is known to descriptions of processes.

Nothing is started, opened or read here, so a test (or a reader) sees the whole system as one value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.control.supervisor.architecture import architecture_of
from gateway.control.supervisor.confinement import Code, service_rules
from gateway.control.supervisor.installation import Installation
from gateway.control.supervisor.manifest import Manifest, ServiceEntry
from gateway.control.supervisor.mesh_plan import in_mesh, mesh_plans
from gateway.control.supervisor.mesh_site import MeshSite
from gateway.control.supervisor.node import program_of
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.program import GATEWAY, ProcessPlan, Program, python_module
from gateway.control.supervisor.readiness import HttpProbe, WorkerProbe
from gateway.control.supervisor.resp import parse_url
from gateway.control.supervisor.state_dir import StateDir

LOOPBACK = "127.0.0.1"


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
    internal_url: str | None = None
    """The listener `internal`, where services find the gateway's keys."""
    internal_secret: str = field(default="", repr=False)
    """What the workers' signing keys are derived from; new at each start."""
    mesh: MeshSite | None = None

    def descriptors(self) -> list[int]:
        """Every inherited socket, for a successor."""
        return [*self.listeners.values(), *(self.mesh.descriptors() if self.mesh else ())]


def make_plan(site: Site) -> tuple[ProcessPlan, ...]:
    """Control, the gateway's workers, and the services; with a mesh also the authority and the sidecars."""
    workers = (_worker(site, f"gateway-{number}") for number in range(1, site.workers + 1))
    services = (_service(site, entry) for entry in site.manifest.services)
    ordinary = (_control(site), *workers, *services)
    if site.mesh is None:
        return ordinary
    return (*mesh_plans(site, site.mesh), *(in_mesh(plan, site.mesh) for plan in ordinary))


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
        "endpoints": {entry.name: [reached_at(site, entry.name)] for entry in serving},
        "architecture": architecture_of(site.options).name,
        "gateway": architecture_of(site.options).gateway,
        "services": [
            {"name": entry.name, "url": base_url(site, entry.name), "about": entry.about, "public": entry.public}
            for entry in serving
        ],
        "admin": {"host": LOOPBACK, "port": port},
        "collector": {"host": LOOPBACK, "port": site.ports["collector"]},
        "admin_secret": site.admin_secret,
        "otlp_secret": site.otlp_secret,
        "control_secret": site.control_secret,
        "control_socket": str(state.control_socket),
        "supervisor_socket": str(state.supervisor_socket),
    }
    return ProcessPlan(
        **vars(control_program(site.options, state, site.mesh)),
        settings=settings,
        port=port,
        probe=HttpProbe(LOOPBACK, port, "/healthz"),
    )


def _worker(site: Site, name: str) -> ProcessPlan:
    state = site.state
    settings = {
        "worker": name,
        "listeners": dict(site.listeners),
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
        keep_fds=tuple(site.listeners.values()),
        probe=WorkerProbe(HttpProbe(LOOPBACK, site.ports["admin"], "/readyz"), name),
        grace=site.drain_timeout + 2,
    )


def _service(site: Site, entry: ServiceEntry) -> ProcessPlan:
    port = site.ports[entry.name] if entry.port else None
    peers, argv = _peers(site, entry), program_of(entry, site.options)
    settings = {
        **site.manifest.settings,
        "service": entry.name,
        "instance": f"{entry.name}-1",
        "host": LOOPBACK,
        "port": port or 0,
        "data_dir": str(site.state.data(entry.name)),
        "peers": peers,
        "public_url": site.public_url,
        "redis": _redis(site, entry),
        "otlp": None if entry.outside else dict(site.otlp),
        "secrets": _secrets(site.installation, entry),
        "options": dict(entry.options),
    }
    return ProcessPlan(
        name=entry.name,
        kind="service",
        argv=argv,
        cwd=site.state.data(entry.name),
        log=site.state.log(entry.name),
        rules=service_rules(site, entry, peers, argv),
        settings=settings,
        port=port,
        probe=HttpProbe(LOOPBACK, port, "/readyz") if port else None,
        autostart=entry.autostart,
    )


def _peers(site: Site, entry: ServiceEntry) -> dict[str, str]:
    """Whom it may ask, and where: the listed services, and the gateway for its keys."""
    gateway = {GATEWAY: site.internal_url} if site.internal_url and not entry.outside else {}
    return {peer: f"http://{reached_at(site, peer)}" for peer in entry.peers} | gateway


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

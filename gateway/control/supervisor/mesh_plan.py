"""The processes that a mesh adds, and what it adds to the others; as pure as plan.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway.control.supervisor.confinement import calling, sidecar_rules
from gateway.control.supervisor.copies import Copy
from gateway.control.supervisor.mesh_site import MeshSite
from gateway.control.supervisor.program import EGRESS, OWN_LAST_GOOD, Enrolment, ProcessPlan, port_of, python_module
from gateway.control.supervisor.readiness import HttpProbe, WorkerProbe
from gateway.mesh.identity import identity_of
from gateway.spec.mesh_names import INBOUND, outbound

if TYPE_CHECKING:
    from gateway.control.supervisor.plan import Site, WayOut

AUTHORITY = "authority"


def root_program(folder: str, *, rotate: bool = False) -> tuple[str, ...]:
    """The short-lived program that opens the root's key."""
    return (*python_module("gateway.mesh.authority.root"), folder, *(["--rotate"] if rotate else []))


def mesh_plans(site: Site, mesh: MeshSite) -> tuple[ProcessPlan, ...]:
    """The authority, and a sidecar for each service."""
    members = (copy for service in mesh.peers for copy in site.copies_of(service))
    return (_authority(site, mesh), *(_sidecar(site, mesh, copy) for copy in members))


def sidecar_name(copy: str) -> str:
    """What the sidecar of a copy is called."""
    return f"{copy}-sidecar"


def inbound_at(site: Site, mesh: MeshSite, copy: Copy) -> str:
    """The `host:port` at which others find a copy's sidecar; of the first, what somebody has put in between."""
    own = mesh.sidecars[copy.name].listeners[INBOUND].address
    return site.options.via.get(copy.service, own) if copy.number == 1 else own


def _authority(site: Site, mesh: MeshSite) -> ProcessPlan:
    settings = {
        "listen_fd": mesh.authority.fd,
        "intermediate": dict(mesh.intermediate),
        "token_key": mesh.token_key.hex(),
        "life": mesh.life,
        "folder": str(site.state.mesh),
        "admin_socket": str(site.state.authority_socket),
        "admin_secret": mesh.admin_secret,
    }
    return ProcessPlan(
        name=AUTHORITY,
        kind="authority",
        argv=python_module("gateway.mesh.authority"),
        cwd=site.state.root,
        log=site.state.log(AUTHORITY),
        settings=settings,
        keep_fds=(mesh.authority.fd,),
        port=port_of(mesh.authority.address),
        settle=0.1,  # whoever needs it waits for it
    )


def _sidecar(site: Site, mesh: MeshSite, copy: Copy) -> ProcessPlan:
    one, service = mesh.sidecars[copy.name], copy.service
    name = sidecar_name(copy.name)
    folder = site.state.data(name)
    settings = {
        "worker": name,
        "listeners": {listener: bound.fd for listener, bound in one.listeners.items()},
        "last_good": str(folder / OWN_LAST_GOOD),
        "state_dir": str(folder),
        "otlp": dict(site.otlp),
        "mesh": enrolment(mesh, service),
        "service": service,
        "app": f"127.0.0.1:{copy.port}",
        "app_secret": one.secret,
        "control": mesh.control.address,
        "inbound": inbound_at(site, mesh, copy),
    }
    return ProcessPlan(
        name=name,
        kind="sidecar",
        argv=python_module("gateway.roles.sidecar"),
        cwd=folder,
        log=site.state.log(name),
        rules=sidecar_rules(site, folder),
        settings=settings,
        enrolment=Enrolment(mesh.token_key, identity_of(service)),
        keep_fds=tuple(bound.fd for bound in one.listeners.values()),
        port=port_of(one.listeners[INBOUND].address),
        probe=WorkerProbe(HttpProbe("127.0.0.1", site.ports["admin"], "/readyz/sidecars"), name),
        grace=site.drain_timeout + 2,
    )


def in_mesh(plan: ProcessPlan, mesh: MeshSite, ways_out: Mapping[str, WayOut]) -> ProcessPlan:
    """A process of the ordinary plan, as it is in a mesh."""
    assert plan.settings is not None
    if plan.kind == "worker":
        told: Mapping[str, Any] = {**plan.settings, "mesh": enrolment(mesh, "gateway")}
        return replace(plan, settings=told, enrolment=Enrolment(mesh.token_key, identity_of("gateway")))
    if plan.kind == "egress":
        told = {**plan.settings, "mesh": enrolment(mesh, EGRESS)}
        return replace(plan, settings=told, enrolment=Enrolment(mesh.token_key, identity_of(EGRESS)))
    if plan.kind == "control":
        return _control(plan, mesh, ways_out)
    if plan.name in mesh.sidecars:
        return _service(plan, mesh)
    return plan


def _control(plan: ProcessPlan, mesh: MeshSite, ways_out: Mapping[str, WayOut]) -> ProcessPlan:
    assert plan.settings is not None
    told = {
        "config": str(mesh.config),
        "listen_fd": mesh.control.fd,
        "peers": {service: list(called) for service, called in mesh.peers.items()},
        "ways_out": {name: way.address for name, way in ways_out.items()},
        "enrolment": enrolment(mesh, "control"),
    }
    return replace(
        plan,
        settings={**plan.settings, "mesh": told},
        enrolment=Enrolment(mesh.token_key, identity_of("control"), ("mesh", "enrolment")),
    )


def _service(plan: ProcessPlan, mesh: MeshSite) -> ProcessPlan:
    """It calls its sidecar where it would call its peers, and takes requests from nobody else."""
    assert plan.settings is not None
    one = mesh.sidecars[plan.name]
    called = {peer: f"http://{one.listeners[outbound(peer)].address}" for peer in mesh.peers[plan.service]}
    # The gateway, for its public keys, has no sidecar.
    outside = {name: url for name, url in plan.settings["peers"].items() if name not in called}
    secrets = {**plan.settings["secrets"], "sidecar": one.secret}
    told = outside | called
    rules = calling(plan.rules, plan.settings["peers"], told) if plan.rules else None
    settings = {**plan.settings, "peers": told, "meshed": list(called), "secrets": secrets}
    return replace(plan, settings=settings, rules=rules)


def enrolment(mesh: MeshSite, name: str) -> dict[str, str]:
    """How a process comes to its identity; the token is made when it starts."""
    bundle = mesh.intermediate["bundle"]
    return {"identity": identity_of(name), "authority": mesh.authority.address, "bundle": bundle, "token": ""}

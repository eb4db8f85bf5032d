"""What each process of an instance may do: from the manifest and the plan to rules for the operating system.

The problem: whoever takes over one service should have that one, and nothing else. The rule: what a service may
reach follows from what is said of it anyway: its data, its program and libraries, its port, its peers, Redis if it
has a user there, and where spans go. What follows from nothing is not there: other services' databases, the
installation's secrets, the sockets and the admin API by which an instance is steered.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.control.supervisor.limits import OPEN_FILES
from gateway.mesh.isolation.rules import Rules

if TYPE_CHECKING:
    from gateway.control.supervisor.manifest import ServiceEntry
    from gateway.control.supervisor.plan import Site

SYSTEM = (
    "/usr", "/lib", "/lib64", "/opt",
    "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/mime.types",
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/timezone",
    "/proc/self", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/net/core/somaxconn", "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom", "/dev/random", "/dev/zero",
)  # fmt: skip
"""Programs, libraries, certificates, time zones, how to find names, and how large the machine is: no secrets."""
DEVICES = ("/dev/null",)
LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-x86_64.so.1",
           "/lib/ld-musl-aarch64.so.1")  # fmt: skip
"""What the kernel executes along with a program."""
DNS = 53
REDIS_MEMORY_MIB = 512
"""Ours keeps at most 64 MiB; a copy of it, while the file is rewritten, as much again."""
PROMETHEUS_MEMORY_MIB = 1_024
"""A shop takes some 120; Go's runtime counts what it may take, too."""
_DEFAULT_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_ADDRESS = re.compile(r"[0-9.]+|.*:.*|localhost")


@dataclass(frozen=True)
class Code:
    """Where the services' programs and libraries are."""

    read: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    """Folders in which Python looks for modules, though most of what lies there is none of a service's business."""


def find_code(modules: Iterable[str], environ: Mapping[str, str]) -> Code:
    """Look for it as a child process would."""
    libraries = {sys.prefix, sys.base_prefix, *filter(None, map(environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))}
    listed = {folder for folder in sys.path if folder}
    libraries |= {folder for folder in listed if Path(folder).name in ("site-packages", "dist-packages")}
    programs = {place for module in modules for place in _program(module)}
    return Code(tuple(sorted(libraries | programs)), tuple(sorted(listed)))


def sidecar_modules() -> set[str]:
    """Ours, and those of filters that others wrote."""
    return {"gateway", *(one.module for one in entry_points(group="gatehouse.filters"))}


def _program(module: str) -> Iterable[str]:
    """The folder of a module's topmost package, or the module's own file; nothing of it is run."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None:  # its start will say so
        return ()
    return spec.submodule_search_locations or filter(None, [spec.origin])


def compile_programs(modules: Iterable[str]) -> None:
    """Write the byte code that a confined process could not keep, and would make at each start; bounded by mtime."""
    for place in {place for module in modules for place in _program(module)}:
        with contextlib.suppress(OSError):
            if Path(place).is_dir():
                compileall.compile_dir(place, quiet=2)
            else:
                compileall.compile_file(place, quiet=2)


def service_rules(site: Site, entry: ServiceEntry, peers: Mapping[str, str], argv: Sequence[str]) -> Rules:
    """What a service may do that runs this command and is told these addresses of others."""
    data = str(site.state.data(entry.name))
    addresses = [*([] if entry.outside else [site.otlp["endpoint"]]), *peers.values()]
    if entry.redis and site.redis_url is not None:
        addresses.append(site.redis_url)
    if entry.gateway:
        addresses.append(site.public_url)
    names = any(not _ADDRESS.fullmatch(urlsplit(address).hostname or "") for address in addresses)
    ports = {*map(_port, addresses), *([DNS] if names else [])}
    code = site.code
    run: tuple[str, ...] = ()
    if entry.node:  # the file is the command's last word; beside it lies the rest of its program
        code, run = Code((str(Path(argv[-1]).parent),)), _runnable(argv[0])
    return Rules(
        read=(*SYSTEM, *code.read),
        listed=code.listed,
        write=(data, *DEVICES),
        run=run,
        bind=(site.ports[entry.name],) if entry.port else (),
        connect=tuple(sorted(ports)),
        names=names,
        home=data,
        memory_mib=entry.memory,
    )


def calling(rules: Rules, before: Mapping[str, str], instead: Mapping[str, str]) -> Rules:
    """The same for a service that calls its peers at other addresses: those of its sidecar."""
    ports = set(rules.connect or ()) - set(map(_port, before.values())) | set(map(_port, instead.values()))
    return replace(rules, connect=tuple(sorted(ports)))


def sidecar_rules(site: Site, folder: Path) -> Rules:
    """What a sidecar may do. Where it connects is told by control while it runs, so the port may be any."""
    return Rules(
        read=(*SYSTEM, *site.sidecar_code.read),
        listed=site.sidecar_code.listed,
        write=(str(folder), *DEVICES),
        connect=None,
        home=str(folder),
        open_files=OPEN_FILES,
    )


def egress_rules(site: Site, folder: Path) -> Rules:
    """What the egress gateway may do: call anybody by TCP, and talk to control, which knows it by a secret."""
    return replace(sidecar_rules(site, folder), names=True, unix=True)


def redis_rules(binary: str, folder: Path, port: int) -> Rules:
    """What our Redis may do: it asks nobody, and forks to rewrite its file."""
    return Rules(
        read=SYSTEM,
        write=(str(folder), *DEVICES),
        run=_runnable(binary),
        bind=(port,),
        home=str(folder),
        memory_mib=REDIS_MEMORY_MIB,
    )


def prometheus_rules(binary: str, folder: Path, port: int) -> Rules:
    """What our Prometheus may do. Whom it scrapes changes while it runs, so the port may be any."""
    return Rules(
        read=SYSTEM,
        write=(str(folder), *DEVICES),
        run=_runnable(binary),
        bind=(port,),
        connect=None,
        home=str(folder),
        memory_mib=PROMETHEUS_MEMORY_MIB,
        open_files=OPEN_FILES,
    )


def _runnable(program: str) -> tuple[str, ...]:
    return (program, os.path.realpath(program), *LOADERS)


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)

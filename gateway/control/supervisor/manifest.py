"""The manifest: which services there are, as data.

The problem: the gateway must start services it does not know. The rule: a YAML file names modules and what
each may have (peers, Redis rules, secrets); nothing of a service is ever imported here, and an unknown key
is an error, since a misspelt `public` or `redis` would be a hole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from gateway.control.supervisor.copies import FIRST_VERSION, Version
from gateway.control.supervisor.errors import CannotStart
from gateway.mesh.isolation.rules import MEMORY_MIB

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VERSION = re.compile(r"[a-z0-9][a-z0-9-]{0,20}")
_COPY = re.compile(r"(.+)-\d+")
_SCRIPT = re.compile(r"[\w-]+(/[\w-]+)*\.m?js")
_ACL_RULE = re.compile(r"[~%&+(-][^\r\n]*")
LEAST_MEMORY_MIB = 64
_RESERVED = {"public", "internal", "admin", "collector", "redis", "control", "supervisor", "guard", "gateway"} | {
    "authority", "app", "inbound", "egress",
}  # fmt: skip


@dataclass(frozen=True)
class ServiceEntry:
    """One service. Its name is also that of its data directory, port, log and Redis user."""

    name: str
    module: str = ""
    """The Python module that it is, or …"""
    node: str = ""
    """… the file that Node.js runs, seen from the manifest's folder."""
    about: str = ""
    public: bool = False
    peers: tuple[str, ...] = ()
    """Services whose base addresses it is told."""
    redis: tuple[str, ...] = ()
    """ACL rules of its Redis user; empty: it has no Redis user at all."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """`users: true` for who must know the passwords; `clients: all`, a list of names, or `own` (its own one); `shared`,
    `webhooks` and `api_keys`: lists of names."""
    autostart: bool = True
    port: bool = True
    """False: it serves nothing, so there is nothing to wait for."""
    gateway: bool = False
    """It calls the public gateway, as clients do."""
    memory: int = MEMORY_MIB
    """How much data it may keep in memory, in MiB; where the host enforces it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What it alone can be told, with the defaults; `gatehouse up --set NAME.OPTION=VALUE` changes them."""
    outside: bool = False
    """A third party's program, run here for teaching: it gets no spans' collector, and no sidecar in a mesh."""
    sidecar: bool = True
    """Whether it has one in a mesh; what serves and calls nobody needs none."""
    modules: tuple[str, ...] = ()
    """Of a monolith: the services whose work it does in their place. It takes the public port itself."""
    versions: Mapping[str, Version] = field(default_factory=lambda: {FIRST_VERSION: Version()})
    """By name; the first is what `gatehouse up` starts, the others can be deployed."""

    @property
    def first_version(self) -> str:
        """The name of the version that is started at first."""
        return next(iter(self.versions))


@dataclass(frozen=True)
class ApiKeyEntry:
    """A partner that gets an API key at the first start; see partner_keys.py."""

    owner: str
    plan: str = "default"
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Manifest:
    """All services and what they share."""

    services: tuple[ServiceEntry, ...] = ()
    users: tuple[str, ...] = ()
    """Demo people for whom the installation makes passwords."""
    clients: tuple[str, ...] = ()
    """Machine clients that are no service of ours."""
    shared: tuple[str, ...] = ()
    """Secrets that two services share."""
    webhooks: tuple[str, ...] = ()
    """Who sends webhooks, and has a secret to sign them with (Standard Webhooks)."""
    api_keys: tuple[ApiKeyEntry, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Given to every service as it is (token issuer, audience)."""
    preload: tuple[str, ...] = ()
    """Modules of the services' package that most of them load: it is done once for all (nursery.py)."""
    monolith: ServiceEntry | None = None
    """Some of the services in one process; see architecture.py."""

    @property
    def own_clients(self) -> tuple[str, ...]:
        """Services that are OAuth clients themselves."""
        return tuple(entry.name for entry in self.services if entry.secrets.get("clients") == "own")


def with_options(manifest: Manifest, told: Mapping[str, Mapping[str, str]]) -> Manifest:
    """The manifest with other options for some services.

    Raises:
        CannotStart: a service or an option that the manifest does not name.
    """
    entries = {entry.name: entry for entry in manifest.services}
    for name, options in told.items():
        known = entries[name].options if name in entries else {}
        for option in options:
            if option not in known:
                there = [f"{entry.name}.{one}" for entry in manifest.services for one in entry.options]
                raise CannotStart(f"no option {name}.{option}; there are: {', '.join(there) or 'none'}")
        entries[name] = replace(entries[name], options={**known, **options})
    return replace(manifest, services=tuple(entries.values()))


def load_manifest(path: Path) -> Manifest:
    """Read and check a manifest.

    Raises:
        CannotStart: unreadable, not YAML, or not a manifest; the entry and key are named.
    """
    import yaml

    try:
        document = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise CannotStart(f"manifest {path}: {error}") from error
    try:
        return _with_folders(parse_manifest(document), path.absolute().parent)
    except ValueError as error:
        raise CannotStart(f"manifest {path}: {error}") from error


def _with_folders(manifest: Manifest, folder: Path) -> Manifest:
    """Paths of versions are relative to the manifest."""

    def placed(version: Version) -> Version:
        return replace(version, path=str(folder / version.path)) if version.path else version

    return replace(
        manifest,
        services=tuple(
            replace(entry, versions={name: placed(version) for name, version in entry.versions.items()})
            for entry in manifest.services
        ),
    )


def parse_manifest(document: Any) -> Manifest:
    """A manifest from a parsed document.

    Raises:
        ValueError: what is wrong and where.
    """
    _require_keys(document, {field.name for field in fields(Manifest)}, "top level")
    services = tuple(_entry(item, f"services[{index}]") for index, item in enumerate(document.get("services") or ()))
    names = [entry.name for entry in services]
    for entry in services:
        if names.count(entry.name) > 1 or entry.name in _RESERVED:
            raise ValueError(f"service name {entry.name!r} is taken")
        if (copy := _COPY.fullmatch(entry.name)) and copy[1] in names:
            raise ValueError(f"service name {entry.name!r} is that of a copy of {copy[1]}")
        if unknown := set(entry.peers) - set(names):
            raise ValueError(f"{entry.name}: unknown peers {sorted(unknown)}")
        owners = [one.get("owner") for one in document.get("api_keys") or () if isinstance(one, Mapping)]
        for kind, there in (
            ("shared", document.get("shared")),
            ("webhooks", document.get("webhooks")),
            ("api_keys", owners),
        ):
            if unknown := set(entry.secrets.get(kind, ())) - set(there or ()):
                raise ValueError(f"{entry.name}: unknown {kind} {sorted(unknown)}")
    monolith = _entry(document["monolith"], "monolith") if document.get("monolith") else None
    if monolith and (monolith.name in {*names, *_RESERVED} or not set(monolith.modules) <= set(names)):
        raise ValueError(f"monolith: {monolith.name!r} must be a name of its own, and its modules services")
    return Manifest(
        monolith=monolith,
        services=services,
        users=_texts(document.get("users", ()), "users"),
        clients=_texts(document.get("clients", ()), "clients"),
        shared=_texts(document.get("shared", ()), "shared"),
        webhooks=_texts(document.get("webhooks", ()), "webhooks"),
        api_keys=tuple(map(_api_key, document.get("api_keys") or ())),
        settings=dict(document.get("settings") or {}),
        preload=_texts(document.get("preload", ()), "preload"),
    )


def _entry(item: Any, where: str) -> ServiceEntry:
    _require_keys(item, {field.name for field in fields(ServiceEntry)}, where)
    name, module, node = (item.get(key) for key in ("name", "module", "node"))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: name must be a short lower-case word, not {name!r}")
    if (module is None) == (node is None):
        raise ValueError(f"{name}: give either module (Python) or node (a file for Node.js)")
    if module is not None and (not isinstance(module, str) or not _MODULE.fullmatch(module)):
        raise ValueError(f"{name}: module must be a Python module's name, not {module!r}")
    if node is not None and (not isinstance(node, str) or not _SCRIPT.fullmatch(node)):
        raise ValueError(f"{name}: node must be a file below the manifest's folder, not {node!r}")
    lists = {key: _texts(item.get(key, ()), f"{name}.{key}") for key in ("peers", "redis", "modules")}
    if bad := [rule for rule in lists["redis"] if not _ACL_RULE.fullmatch(rule)]:
        raise ValueError(f"{name}: not Redis ACL rules: {bad}")
    _check_plain(item, name)
    implied = {"sidecar": False} if item.get("outside") else {}
    return ServiceEntry(**{**item, **lists, **implied, "versions": _versions(item.get("versions"), name)})


def _versions(given: Any, name: str) -> dict[str, Version]:
    if given is None:
        return {FIRST_VERSION: Version()}
    if not isinstance(given, Mapping) or not given:
        raise ValueError(f"{name}: versions are a mapping of names to what is different in each")
    return {version: parse_version(name, version, told or {}) for version, told in given.items()}


def parse_version(service: str, version: Any, told: Any) -> Version:
    """A version from what is told of it.

    Raises:
        ValueError: a name or a module that is none, an unknown key.
    """
    where = f"{service}.versions.{version}"
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise ValueError(
            f"{service}: a version is a short word of lower-case letters, digits and dashes, not {version!r}"
        )
    _require_keys(told, {"module", "path", "settings"}, where)
    module, path, settings = told.get("module", ""), told.get("path", ""), told.get("settings", {})
    if module and not (isinstance(module, str) and _MODULE.fullmatch(module)):
        raise ValueError(f"{where}: module must be a Python module's name, not {module!r}")
    if not isinstance(path, str) or not isinstance(settings, Mapping):
        raise ValueError(f"{where}: path is the name of a folder, settings are a mapping")
    return Version(version, module, path, dict(settings))


def _api_key(item: Any) -> ApiKeyEntry:
    _require_keys(item, {"owner", "plan", "scopes"}, "api_keys")
    texts = {key: item[key] for key in ("owner", "plan") if key in item}
    if "owner" not in item or not all(isinstance(text, str) and _NAME.fullmatch(text) for text in texts.values()):
        raise ValueError("api_keys: owner and plan are short lower-case words")
    return ApiKeyEntry(**texts, scopes=_texts(item.get("scopes", ()), "api_keys.scopes"))


def _check_plain(item: Mapping[str, Any], name: str) -> None:
    for key in ("public", "autostart", "port", "gateway", "sidecar", "outside"):
        if not isinstance(item.get(key, True), bool):
            raise ValueError(f"{name}: {key} must be true or false")
    memory = item.get("memory", MEMORY_MIB)
    if type(memory) is not int or memory < LEAST_MEMORY_MIB:
        raise ValueError(f"{name}: memory is a whole number of MiB, {LEAST_MEMORY_MIB} or more")
    options = item.get("options", {})
    if not isinstance(options, dict) or not all(isinstance(text, str) for pair in options.items() for text in pair):
        raise ValueError(f"{name}: options are texts by name")
    secrets = item.get("secrets", {})
    _require_keys(secrets, {"users", "clients", "shared", "webhooks", "api_keys"}, f"{name}.secrets")
    for kind in ("shared", "webhooks", "api_keys"):
        _texts(secrets.get(kind, ()), f"{name}.secrets.{kind}")
    clients = secrets.get("clients", "own")
    if not isinstance(secrets.get("users", True), bool) or not (clients in ("own", "all") or isinstance(clients, list)):
        raise ValueError(f"{name}: secrets are `users: true` and `clients: own`, `all`, or a list of names")


def _require_keys(value: Any, known: set[str], where: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be a mapping")
    if unknown := [key for key in value if key not in known]:
        raise ValueError(f"{where}: unknown keys {unknown}; known are {sorted(known)}")


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(text, str) for text in value):
        raise ValueError(f"{where} must be a list of texts")
    return tuple(value)

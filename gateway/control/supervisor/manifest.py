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

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_VERSION = re.compile(r"[a-z0-9][a-z0-9-]{0,20}")
_COPY = re.compile(r"(.+)-\d+")
_ACL_RULE = re.compile(r"[~%&+(-][^\r\n]*")
_RESERVED = {"public", "internal", "admin", "collector", "redis", "control", "supervisor", "guard", "gateway"} | {
    "authority", "app", "inbound",
}  # fmt: skip


@dataclass(frozen=True)
class ServiceEntry:
    """One service. Its name is also that of its data directory, port, log and Redis user."""

    name: str
    module: str
    about: str = ""
    public: bool = False
    peers: tuple[str, ...] = ()
    """Services whose base addresses it is told."""
    redis: tuple[str, ...] = ()
    """ACL rules of its Redis user; empty: it has no Redis user at all."""
    secrets: Mapping[str, Any] = field(default_factory=dict)
    """`users: true` for who must know the passwords; `clients: all`, a list of names, or `own` (its own one)."""
    autostart: bool = True
    port: bool = True
    """False: it serves nothing, so there is nothing to wait for."""
    sidecar: bool = True
    """Whether it has one in a mesh; what serves and calls nobody needs none."""
    versions: Mapping[str, Version] = field(default_factory=lambda: {FIRST_VERSION: Version()})
    """By name; the first is what `gatehouse up` starts, the others can be deployed."""

    @property
    def first_version(self) -> str:
        """The name of the version that is started at first."""
        return next(iter(self.versions))


@dataclass(frozen=True)
class Manifest:
    """All services and what they share."""

    services: tuple[ServiceEntry, ...] = ()
    users: tuple[str, ...] = ()
    """Demo people for whom the installation makes passwords."""
    clients: tuple[str, ...] = ()
    """Machine clients that are no service of ours."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Given to every service as it is (token issuer, audience)."""

    @property
    def own_clients(self) -> tuple[str, ...]:
        """Services that are OAuth clients themselves."""
        return tuple(entry.name for entry in self.services if entry.secrets.get("clients") == "own")


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
    services = tuple(_entry(item, index) for index, item in enumerate(document.get("services") or ()))
    names = [entry.name for entry in services]
    for entry in services:
        if names.count(entry.name) > 1 or entry.name in _RESERVED:
            raise ValueError(f"service name {entry.name!r} is taken")
        if (copy := _COPY.fullmatch(entry.name)) and copy[1] in names:
            raise ValueError(f"service name {entry.name!r} is that of a copy of {copy[1]}")
        if unknown := set(entry.peers) - set(names):
            raise ValueError(f"{entry.name}: unknown peers {sorted(unknown)}")
    return Manifest(
        services=services,
        users=_texts(document.get("users", ()), "users"),
        clients=_texts(document.get("clients", ()), "clients"),
        settings=dict(document.get("settings") or {}),
    )


def _entry(item: Any, index: int) -> ServiceEntry:
    where = f"services[{index}]"
    _require_keys(item, {field.name for field in fields(ServiceEntry)}, where)
    name, module = item.get("name"), item.get("module")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: name must be a short lower-case word, not {name!r}")
    if not isinstance(module, str) or not _MODULE.fullmatch(module):
        raise ValueError(f"{name}: module must be a Python module's name, not {module!r}")
    lists = {key: _texts(item.get(key, ()), f"{name}.{key}") for key in ("peers", "redis")}
    if bad := [rule for rule in lists["redis"] if not _ACL_RULE.fullmatch(rule)]:
        raise ValueError(f"{name}: not Redis ACL rules: {bad}")
    _check_plain(item, name)
    return ServiceEntry(**{**item, **lists, "versions": _versions(item.get("versions"), name)})


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


def _check_plain(item: Mapping[str, Any], name: str) -> None:
    for key in ("public", "autostart", "port", "sidecar"):
        if not isinstance(item.get(key, True), bool):
            raise ValueError(f"{name}: {key} must be true or false")
    secrets = item.get("secrets", {})
    _require_keys(secrets, {"users", "clients"}, f"{name}.secrets")
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

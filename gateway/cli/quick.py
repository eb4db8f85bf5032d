"""From `/api=http://localhost:8000` to a configuration.

The problem: a gateway that needs a file before its first request is tried by nobody. The rule: pairs of path
and address become an ordinary configuration, written to a file that people can read, change and keep; it
limits each client and each wait from the start, and it never guesses where a name leads.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.console import Misuse
from gateway.cli.dev_issuer import AUDIENCE, ISSUER, NAME

LOOPBACK = ("127.0.0.1", "::1")
PER_MINUTE, BURST = 600, 100
HEAD = """\
# A gateway in front of your own services, written by `gatehouse run`.
# Check it: gatehouse check FILE. Run it: gatehouse run --config FILE. Changes are taken up while it runs.
"""


@dataclass(frozen=True)
class Target:
    """One pair: requests under `path` go to `host`:`port`; `replace`, if set, takes the path's place."""

    path: str
    host: str
    port: int
    replace: str | None

    @property
    def name(self) -> str:
        """The name of its route and cluster: `api-v1` for `/api/v1`, `root` for `/`."""
        return re.sub(r"[^a-z0-9]+", "-", self.path.lower()).strip("-")[:60].strip("-") or "root"


def parse_pairs(texts: Iterable[str]) -> list[Target]:
    """Read all pairs.

    Raises:
        Misuse: one is wrong, or two could not be told apart.
    """
    targets = [parse_pair(text) for text in texts]
    names = [target.name for target in targets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Misuse(f"Two pairs would both be called {', '.join(map(repr, twice))}; give each path once.")
    return targets


def parse_pair(text: str) -> Target:
    """Read `PATH=URL`.

    Raises:
        Misuse: it is none, or the URL names a host that would have to be resolved, or is not plain HTTP.
    """
    path, equals, url = text.partition("=")
    if not equals or not path.startswith("/"):
        raise Misuse(f"{text!r} is no PATH=URL pair.", "Write it like /api=http://localhost:8000")
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise Misuse(f"{url!r} is no address: {error}") from None
    if parts.scheme != "http" or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise Misuse(f"{url!r} is no plain HTTP address.", "Write it like http://localhost:8000")
    if parts.hostname != "localhost" and not _is_address(parts.hostname):
        hint = "Write localhost or an IP address: what a name resolves to can change, and is not ours to decide."
        raise Misuse(f"{parts.hostname!r} is a host name.", hint)
    return Target(path.rstrip("/") or "/", parts.hostname, port, parts.path or None)


def _is_address(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return True
    return False


def listens(address: str, port: int) -> bool:
    """Whether something accepts connections there, right now."""
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=0.25):
        return True
    return False


def endpoint(target: Target, probe: Callable[[str, int], bool] = listens) -> tuple[str, bool]:
    """The address behind a target, and whether anything answers there.

    `localhost` is IPv4 for some servers and IPv6 for others, so both are tried; while neither answers it is
    IPv4, as the address that every system has.
    """
    candidates = LOOPBACK if target.host == "localhost" else (target.host,)
    found = next((address for address in candidates if probe(address, target.port)), None)
    address = found or candidates[0]
    return f"[{address}]:{target.port}" if ":" in address else f"{address}:{target.port}", found is not None


def document(pairs: Mapping[Target, str], *, dev_issuer: bool) -> dict[str, Any]:
    """The configuration for these targets and their endpoints, as it stands in a file."""
    port = "${GATEHOUSE_PUBLIC_PORT:-8088}"
    made: dict[str, Any] = {"listeners": [{"name": "public", "address": "127.0.0.1", "port": port}]}
    clusters: list[dict[str, Any]] = [
        {"name": target.name, "endpoints": [address]} for target, address in pairs.items()
    ]
    if dev_issuer:
        made["providers"] = [_provider()]
        clusters.append({"name": NAME, "service": NAME})
    made["clusters"] = clusters
    made["routes"] = [_route(target, dev_issuer) for target in pairs]
    made["workers"] = 1
    return made


def _provider() -> dict[str, Any]:
    return {
        "name": NAME,
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "algorithms": ["EdDSA"],
        "jwks": {"cluster": NAME, "path": "/jwks.json"},
    }


def _route(target: Target, dev_issuer: bool) -> dict[str, Any]:
    limit = {
        "name": "per-address",
        "key": {"type": "Address"},
        "requests": PER_MINUTE,
        "per": "1m",
        "burst": BURST,
    }
    filters: list[dict[str, Any]] = [{"type": "RateLimit", **limit}]
    if dev_issuer:
        filters.append({"type": "JWT", "provider": NAME})
    if target.replace:
        filters.append({"type": "URLRewrite", "path": {"type": "ReplacePrefixMatch", "value": target.replace}})
    return {
        "name": target.name,
        "matches": [{"path": {"type": "PathPrefix", "value": target.path}}],
        "public": not dev_issuer,
        "filters": filters,
        "backendRefs": [{"cluster": target.name}],
        "timeouts": {"request": "15s", "backendRequest": "15s"},
    }


def as_yaml(made: dict[str, Any]) -> str:
    """The document as a file for people."""
    import yaml

    return HEAD + "\n" + yaml.safe_dump(made, sort_keys=False, allow_unicode=True)

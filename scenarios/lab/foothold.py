"""What an attacker who runs code somewhere tries from there, and counts. The same program everywhere.

It runs as a process of its own, or inside a service's process (`service` is then that service: settings, secrets,
memory). Only the standard library, since it is sent as text. Nothing it sends changes anything: bodies are empty.
"""

from __future__ import annotations

import errno
import gc
import http.client
import json
import os
import socket
import sqlite3
import ssl
from typing import Any
from urllib.parse import urlsplit

REFUSALS = {
    "not_from_sidecar": "the service: not from its sidecar",
    "not_from_service": "the sidecar: not its service",
    "policy_denied": "the sidecar",
    "policy_not_allowed": "the sidecar",
    "handshake_refused": "the sidecar: no certificate",
}
"""What keeps it out before the service's own code is asked, and who does."""
CLOSED = (0, 401, 403, 404, 405)
"""Statuses of an operation that this caller cannot use; a broken body is another matter."""
TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
SECONDS = 5
SECRETS: dict[str, str] = {}
"""What is said at an address: inside a service, the secret that it shares with its sidecar."""


def look(told: dict[str, Any], service: Any = None) -> dict[str, Any]:
    """Try everything that `told` names; what it came to, as JSON."""
    bases = {name: list(urls) for name, urls in told["bases"].items()}
    tokens = list(told.get("tokens", ()))
    redis = told.get("redis")
    held: dict[str, str] = {}
    modules: dict[str, int] = {}
    if service is not None:
        settings = service.settings
        held = secrets_of(settings)
        modules = modules_of(service)
        for peer, url in settings.peers.items():
            bases.setdefault(peer, []).insert(0, url)
        if settings.secrets.sidecar is not None:
            SECRETS.update({settings.peers[name]: settings.secrets.sidecar for name in settings.meshed})
        tokens += remembered(service)
        redis = settings.redis and (settings.redis.url, settings.redis.username, settings.redis.password)
    tried = [
        at_hand(name, method, path) if name in modules else attempt(bases.get(name, []), name, method, path, tokens)
        for name, method, path in told["operations"]
    ]
    let_in = sorted({f"{one['service']} {one['operation']}" for one in tried if one["let_in"]})
    return {
        "pid": os.getpid(),
        "tried": tried,
        "let_in": let_in,
        "services": sorted({one.split()[0] for one in let_in}),
        "opened": sorted({f"{one['service']} {one['operation']}" for one in tried if one["opened"]}),
        "tokens": len(tokens),
        "secrets_held": sorted(held),
        "modules": modules,
        "records": records(bases, tokens),
        "databases": sorted(tables := databases(told["state"], told["files"])),
        "tables": tables,
        "locked": {name: why for name in told["files"] if (why := locked(told["state"], name))},
        "secrets": readable(os.path.join(told["state"], "installation.json")),  # noqa: PTH118 (it is sent as text)
        "admin": read_admin(told["admin"]),
        "redis": ask_redis(*redis) if redis else "not known",
    }


def remembered(service: Any) -> list[str]:
    """Tokens of users that are in the process' memory, whichever part of it has verified them."""
    verifiers = [one for one in gc.get_objects() if type(one) is type(service.auth)]
    return sorted({claims.token for one in verifiers for _, _, claims in one._verified.values()})


def modules_of(service: Any) -> dict[str, int]:
    """Other services that live in this very process, with the operations whose code is at hand (a monolith's)."""
    parts = [one for one in gc.get_objects() if type(one) is type(service) and one is not service]
    return {one.settings.service: len(one.app.router.routes()) for one in parts}


def at_hand(service: str, method: str, path: str) -> dict[str, Any]:
    """An operation of a module in this process: nobody is asked, its code is called."""
    known = {"service": service, "operation": f"{method} {path}", "status": 200, "reason": "", "by": "the same process"}
    return known | {"opened": True, "let_in": True}


def secrets_of(settings: Any) -> dict[str, str]:
    """What this process was given to prove itself with, by name."""
    found = {"redis": settings.redis.password} if settings.redis else {}
    for kind, value in settings.secrets:
        found |= {f"{kind}.{name}": one for name, one in value.items()} if hasattr(value, "items") else {kind: value}
    return {name: str(value) for name, value in found.items() if value}


def attempt(urls: list[str], service: str, method: str, path: str, tokens: list[str]) -> dict[str, Any]:
    """One operation at every address that may be the service's; where a token is wanted, with each that is there."""
    answers = [(*ask(url, method, path), url) for url in urls] or [(0, "nowhere", b"", "")]
    best = next((one for one in answers if one[0] and one[1] not in REFUSALS), answers[-1])
    status, reason, _, url = best
    harmless = method in ("GET", "POST") and not path.endswith(("/recover", "/rotate", "/credential-resets"))
    with_token = [ask(url, method, path, token)[0] for token in tokens if status == 401 and harmless]
    opened = next((one for one in with_token if one not in CLOSED), status)
    return {
        "service": service,
        "operation": f"{method} {path}",
        "status": status,
        "reason": reason,
        "by": REFUSALS.get(reason, ""),
        "opened": opened not in CLOSED,
        "let_in": bool(status) and reason not in REFUSALS,
    }


def ask(url: str, method: str, path: str, token: str = "") -> tuple[int, str, bytes]:
    """Status, reason and body; status 0 where nothing of HTTP came back."""
    where = urlsplit(url)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    if url in SECRETS:
        headers["X-Gatehouse-Service"] = SECRETS[url]
    connection: http.client.HTTPConnection
    if where.scheme == "https":
        trusting = ssl._create_unverified_context()  # noqa: S323 (an attacker does not mind)
        connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=SECONDS, context=trusting)
    else:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=SECONDS)
    try:
        connection.request(method, path, b"" if method == "GET" else b"{}", headers)
        answer = connection.getresponse()
        body = answer.read(1_000_000)
        return answer.status, reason_of(body), body
    except (OSError, http.client.HTTPException) as error:
        return 0, "handshake_refused" if where.scheme == "https" else type(error).__name__, b""
    finally:
        connection.close()


def reason_of(body: bytes) -> str:
    """What a problem document says."""
    try:
        told = json.loads(body)
    except ValueError:
        return ""
    return str(told.get("reason", "")) if isinstance(told, dict) else ""


def records(bases: dict[str, list[str]], tokens: list[str]) -> dict[str, int]:
    """Different records that can be read with what was found."""
    found: dict[str, set[str]] = {"orders": set(), "profiles": set()}
    for token in tokens:
        for service, path, key, name in (
            ("orders", "/orders?limit=100", "id", "orders"),
            ("profiles", "/profiles?usernames=alice,bob,carol,admin", "username", "profiles"),
        ):
            for url in bases.get(service, []):
                status, _, body = ask(url, "GET", path, token)
                if status == 200:
                    found[name] |= {str(one[key]) for one in json.loads(body)[name]}
                    break
    return {name: len(keys) for name, keys in found.items()}


def databases(state: str, names: list[str]) -> dict[str, dict[str, int]]:
    """The databases that this process can open, by service: their tables, and how many rows can be read in each."""
    opened = {}
    for name in names:
        try:
            with sqlite3.connect(f"file:{state}/data/{name}/{name}.db?mode=ro", uri=True) as one:
                tables = [row[0] for row in one.execute(TABLES)]
                counts = {each: f'SELECT count(*) FROM "{each}"' for each in tables}  # noqa: S608 (names of its own)
                opened[name] = {each: one.execute(count).fetchone()[0] for each, count in counts.items()}
        except sqlite3.Error:
            continue
    return opened


def locked(state: str, name: str) -> str:
    """Why this process cannot open a service's database that is there; empty when it can, or there is none."""
    try:
        with open(f"{state}/data/{name}/{name}.db", "rb"):  # noqa: PTH123
            return ""
    except FileNotFoundError:
        return ""
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "refused")


def readable(path: str) -> bool:
    """Whether this process can read a file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return bool(file.read(1))
    except OSError:
        return False


def read_admin(url: str) -> bool:
    """Whether the admin API tells this process its configuration."""
    return ask(url, "GET", "/config")[0] == 200


def ask_redis(url: str, user: str, password: str) -> str:
    """What Redis lets this user do: see every key, or only its own."""
    where = urlsplit(url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 6379), SECONDS) as one:
            one.sendall(f"AUTH {user} {password}\r\nPING\r\nKEYS *\r\nQUIT\r\n".encode())
            said = one.makefile("rb").read(100_000)
    except OSError:
        return "not reached"
    if b"+PONG" not in said:
        return "refused"
    return "nothing but its own" if b"NOPERM" in said else "every key"

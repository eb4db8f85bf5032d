"""Passwords and secrets of one installation: generated once, kept in one private file.

The problem: demo systems ship with known passwords, and then they are reachable with known passwords. The
rule: every installation has its own, 192 random bits each; what a later version needs is added, and what is
there never changes.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.partner_keys import draw_key
from gateway.control.supervisor.state_dir import write_private


@dataclass(frozen=True)
class Installation:
    """Secret by name; never logged, never in arguments or the environment of a process."""

    users: dict[str, str] = field(default_factory=dict, repr=False)
    clients: dict[str, str] = field(default_factory=dict, repr=False)
    redis: dict[str, str] = field(default_factory=dict, repr=False)
    shared: dict[str, str] = field(default_factory=dict, repr=False)
    webhooks: dict[str, str] = field(default_factory=dict, repr=False)
    api_keys: dict[str, str] = field(default_factory=dict, repr=False)


def open_installation(
    path: Path,
    *,
    users: Iterable[str],
    clients: Iterable[str],
    redis: Iterable[str],
    shared: Iterable[str] = (),
    webhooks: Iterable[str] = (),
    api_keys: Iterable[str] = (),
    make: Callable[[], str] = lambda: secrets.token_urlsafe(24),
) -> Installation:
    """Read the file, add what is missing, and write it back if anything was added.

    Raises:
        CannotStart: the file is there but cannot be read as an installation.
    """
    known = _read(path)
    complete = Installation(
        users=_with(known.users, users, make),
        clients=_with(known.clients, clients, make),
        redis=_with(known.redis, redis, make),
        shared=_with(known.shared, shared, make),
        webhooks=_with(known.webhooks, webhooks, _webhook_secret),
        api_keys=_with(known.api_keys, api_keys, draw_key),
    )
    if complete != known:
        write_private(path, asdict(complete))
    return complete


def _with(known: dict[str, str], names: Iterable[str], make: Callable[[], str]) -> dict[str, str]:
    return known | {name: make() for name in names if name not in known}


def _webhook_secret() -> str:
    """As Standard Webhooks writes one: 256 bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _read(path: Path) -> Installation:
    try:
        document = json.loads(path.read_text())
        known = {kind: dict(document[kind]) for kind in ("users", "clients", "redis")}
        newer = {kind: dict(document.get(kind, {})) for kind in ("shared", "webhooks", "api_keys")}
        return Installation(**known, **newer)
    except FileNotFoundError:
        return Installation()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CannotStart(f"{path} is damaged ({error}); restore it, or remove the state directory") from error

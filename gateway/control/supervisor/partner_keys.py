"""API keys of this installation's partners: made once, hashed in the file that the configuration names.

The problem: a partner's program needs a key from the first start, and a key that everybody has is none. The rule: each
installation draws its own; the key itself stands with the other secrets, its hash in `partner-keys.json` beside them.
That file is an ordinary one of `gatehouse key`: keys that people add there stay, one that they revoke stays revoked.

Standard library only: the supervisor stays in memory for as long as the shop runs. The form is that of
gateway/spec/api_keys.py.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import ApiKeyEntry
from gateway.control.supervisor.state_dir import write_private

LIFE: Final = timedelta(days=3650)


def draw_key() -> str:
    """A new key: 256 random bits behind an id."""
    return f"ghk_{secrets.token_hex(6)}_{secrets.token_urlsafe(32)}"


def keep_keys(path: Path, entries: Sequence[ApiKeyEntry], keys: Mapping[str, str], now: datetime | None = None) -> None:
    """See to it that the file has each partner's key; what else is in it stays.

    Raises:
        CannotStart: the file is there and is no file of keys.
    """
    known = _read(path)
    missing = [entry for entry in entries if _id(keys[entry.owner]) not in {one.get("id") for one in known}]
    if missing or not path.exists():
        now = now or datetime.now(UTC).replace(microsecond=0)
        write_private(path, {"keys": [*known, *(_stored(entry, keys[entry.owner], now) for entry in missing)]})


def _stored(entry: ApiKeyEntry, key: str, now: datetime) -> dict[str, Any]:
    return {
        "id": _id(key),
        "sha256": hashlib.sha256(key.encode()).hexdigest(),
        "owner": entry.owner,
        "plan": entry.plan,
        "scopes": list(entry.scopes),
        "created": now.isoformat(),
        "expires": (now + LIFE).isoformat(),
    }


def _id(key: str) -> str:
    return key.split("_")[1]


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads(path.read_text())["keys"])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CannotStart(f"{path} is damaged ({error}); restore it, or remove it") from error

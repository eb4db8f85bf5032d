"""Tokens of this installation's users: asked for once, kept until shortly before they expire.

The problem: a login costs an Argon2 hash and counts against the login limit, so it must not happen for every
command; but a token on disk is a key under the mat. The rule: one file per user, mode 0600, in the state
directory, never used within its last minute.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from gateway.cli.console import Failure, Misuse
from gateway.cli.instance import Instance, private_json, problem_text
from gateway.cli.wire import Answer, send
from gateway.control.supervisor.state_dir import write_private

NOBODY = "nobody"
MACHINE_CLIENTS = ("partner",)
"""The clients of `installation.json` that stand for somebody outside; the others are services' own."""
MARGIN = 60.0
"""Seconds before its expiry from which a kept token is not used any more."""


def token_for(instance: Instance, user: str, *, fresh: bool = False, now: Callable[[], float] = time.time) -> str:
    """An access token of that user: the kept one, or a new one by logging in through the gateway.

    Raises:
        Misuse: there is no such user.
        Failure: the login is refused, or nothing answers.
    """
    login = _login_of(instance, user)
    kept = instance.state_dir / "tokens" / f"{user}.json"
    if not fresh and (found := _kept_token(kept, now())):
        return found
    answer = login()
    granted = answer.json()
    if answer.status != 200 or not isinstance(granted, dict) or "access_token" not in granted:
        raise Failure(f"The login of {user} was refused with {answer.status}: {problem_text(answer)}")
    _keep(kept, {"access_token": granted["access_token"], "expires_at": now() + float(granted["expires_in"])})
    return str(granted["access_token"])


def _login_of(instance: Instance, user: str) -> Callable[[], Answer]:
    secrets = private_json(instance.state_dir / "installation.json")
    if user in secrets.get("users", {}):
        return lambda: _login(instance, user, secrets["users"][user])
    if user in MACHINE_CLIENTS and user in secrets.get("clients", {}):
        return lambda: _client_credentials(instance, user, secrets["clients"][user])
    known = [*secrets.get("users", {}), *MACHINE_CLIENTS, NOBODY]
    raise Misuse(f"There is no user {user!r}.", f"There is: {', '.join(known)}")


def _login(instance: Instance, user: str, password: str) -> Answer:
    body = json.dumps({"username": user, "password": password}).encode()
    return send(instance.public_url, "POST", "/auth/login", headers=[("Content-Type", "application/json")], body=body)


def _client_credentials(instance: Instance, client: str, secret: str) -> Answer:
    """RFC 6749 section 4.4; name and secret are form-encoded before Basic joins them (section 2.3.1)."""
    basic = base64.b64encode(f"{quote(client, safe='')}:{quote(secret, safe='')}".encode()).decode()
    headers = [("Authorization", f"Basic {basic}"), ("Content-Type", "application/x-www-form-urlencoded")]
    body = urlencode({"grant_type": "client_credentials"}).encode()
    return send(instance.public_url, "POST", "/auth/token", headers=headers, body=body)


def _kept_token(path: Path, now: float) -> str | None:
    if not path.exists():
        return None
    kept = private_json(path)
    good = isinstance(kept.get("access_token"), str) and float(kept.get("expires_at", 0)) - MARGIN > now
    return kept["access_token"] if good else None


def _keep(path: Path, token: dict[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(path, token)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says of itself, to be looked at; nothing here verifies it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def dev_token(
    instance: Instance, name: str, scopes: tuple[str, ...] = (), claims: Mapping[str, str] | None = None
) -> str:
    """A token of the development issuer that `run --dev-issuer` started; for any name.

    Raises:
        Failure: no development issuer runs.
        Misuse: the name could not stand in a token's `sub`.
    """
    from gateway.cli.dev_issuer import load_key, sign

    if not re.fullmatch(r"[A-Za-z0-9@._-]{1,64}", name):
        raise Misuse(f"{name!r} is no name for a token: letters, digits and @ . _ - only")
    key = load_key(instance.state_dir)
    if key is None:
        raise Failure("No development issuer runs here.", "Start one: gatehouse run … --dev-issuer")
    return sign(key, name, scopes, int(time.time()), claims)

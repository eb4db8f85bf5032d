"""Access tokens of the visitors: fetched through the gateway like everything else, and kept until they get old.

The problem: a login hashes a password with Argon2, on purpose slowly; logging in before every request would make
a load test of that. The rule: one login per person and token lifetime.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable, Mapping
from typing import Any

from sample_services.traffic.visitor import Visitor

_MARGIN = 60.0
"""Seconds before its end at which a token is no longer used."""


class Tokens:
    """Tokens by name of person or client; passwords and secrets as generated for this installation."""

    def __init__(
        self,
        users: Mapping[str, str],
        clients: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._clients = clients
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: dict[str, tuple[float, str]] = {}

    def knows(self, name: str) -> bool:
        """Whether this person or client can get a token at all."""
        return name in self._users or name in self._clients

    async def of(self, visitor: Visitor, name: str) -> str:
        """A token of this person or client, from a login or from the kept ones.

        Raises:
            UnreachableError, LimitedError, UnexpectedError: from the visitor's call.
        """
        async with self._lock:  # visitors who want the same token wait for one login
            until, token = self._kept.get(name, (0.0, ""))
            if self._clock() < until:
                return token
            answer = await (self._login(visitor, name) if name in self._users else self._grant(visitor, name))
            self._kept[name] = (self._clock() + answer["expires_in"] - _MARGIN, answer["access_token"])
            return str(answer["access_token"])

    def forget(self) -> None:
        """A token was refused: the next journeys log in again."""
        self._kept.clear()

    async def _login(self, visitor: Visitor, name: str) -> Any:
        credentials = {"username": name, "password": self._users[name]}
        return await visitor.call_json("POST", "/auth/login", json=credentials)

    async def _grant(self, visitor: Visitor, name: str) -> Any:
        """Client credentials (RFC 6749 section 4.4), the secret by HTTP Basic."""
        basic = base64.b64encode(f"{name}:{self._clients[name]}".encode()).decode()
        return await visitor.call_json(
            "POST",
            "/auth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        )

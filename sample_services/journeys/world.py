"""What people have besides the shop's address: passwords, a mailbox, and an eye on what alerts finds.

A person reads a mail, and the shop's staff look at suspicious orders; neither goes over the public port. The shop has
no mail server and alerts has no API, so this is a folder and a database, both of this machine, and only read.
"""

from __future__ import annotations

import asyncio
import base64
import re
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sample_services.journeys.client import Client, Wrong

LOOK_EVERY = 0.05
PATIENCE = 15.0
"""Seconds for what goes on in the background: a mail, an event."""
_MAIL = re.compile(r"To: (\S+)\n.*\nReset: (\S+)\nCode: (\S+)\n", re.DOTALL)
T = TypeVar("T")


class Settings(BaseModel):
    """What the program is told, as JSON on its standard input; passwords are in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    public_url: str
    users: dict[str, str] = Field(repr=False)
    clients: dict[str, str] = Field(repr=False)
    mail: Path
    """The folder with people's mail."""
    alerts: Path
    """The database of alerts."""
    only: tuple[str, ...] = ()
    """Names of journeys; none: all."""
    rounds: int = Field(1, ge=1)
    pause: float = Field(0.0, ge=0)
    """Seconds between two rounds."""


class World:
    """What a journey can use. Tokens are kept: people do not log in for every click."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.settings = settings
        self._tokens: dict[str, str] = {}

    async def token(self, name: str) -> str:
        """A token of that person or client, from a login or from the kept ones."""
        if name not in self._tokens:
            self._tokens[name] = await (self.login(name) if name in self.settings.users else self.grant(name))
        return self._tokens[name]

    async def login(self, name: str) -> str:
        """Log in with the password."""
        body = {"username": name, "password": self.settings.users[name]}
        return str((await self.client.ask("POST", "/auth/login", json=body)).json()["access_token"])

    async def grant(self, name: str) -> str:
        """Client credentials (RFC 6749 section 4.4), the secret by HTTP Basic."""
        basic = base64.b64encode(f"{name}:{self.settings.clients[name]}".encode()).decode()
        answer = await self.client.ask(
            "POST",
            "/auth/token",
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        )
        return str(answer.json()["access_token"])

    def mails(self, name: str) -> dict[str, str]:
        """Reset → code, of all mails to that person."""
        found = (_MAIL.search(_text(file)) for file in self.settings.mail.glob("*.txt"))
        return {match[2]: match[3] for match in found if match and match[1] == name}

    def finding(self, order_id: int) -> str | None:
        """What alerts finds suspicious about the order."""
        with closing(sqlite3.connect(f"file:{self.settings.alerts}?mode=ro", uri=True)) as database:
            row = database.execute("SELECT rule FROM finding WHERE order_id = ?", (order_id,)).fetchone()
            return None if row is None else str(row[0])


async def until(look: Callable[[], T | None], otherwise: str) -> T:
    """What `look` gives, as soon as it gives something true.

    Raises:
        Wrong: it does not within 15 s.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if seen := look():
                return seen
        except sqlite3.Error as error:  # a database that is being made
            otherwise = f"{otherwise} ({error})"
        if time.monotonic() > end:
            raise Wrong(otherwise)
        await asyncio.sleep(LOOK_EVERY)


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except FileNotFoundError:  # used up since it was listed
        return ""

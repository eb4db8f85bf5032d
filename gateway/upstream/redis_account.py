"""A Redis as a client sees it: where it is, who we are to it, and what it can be told to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.upstream.endpoint import split_address

if TYPE_CHECKING:
    from redis.asyncio import Connection

Word = bytes | str | int | float
"""A part of a command."""
MAX_PASSWORD_FILE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Account:
    """Where a Redis is and who we are to it; a password from a file is read anew for each connection."""

    address: str
    user: str = ""
    password: str = field(default="", repr=False)
    password_file: str | None = None
    database: int = 0
    tls: bool = False
    ca: str | None = None
    """A PEM file with whom to believe; None is the system's."""

    def secret(self) -> str:
        """The password, "" for none.

        Raises:
            OSError: its file cannot be read.
        """
        if self.password_file is None:
            return self.password
        with Path(self.password_file).open(encoding="utf-8") as file:
            return file.read(MAX_PASSWORD_FILE).strip()

    def connection(self, timeout: float) -> Connection:
        """A connection that is not made yet; `timeout` in seconds is for making it.

        Raises:
            OSError: the password's file cannot be read.
        """
        from redis.asyncio import Connection, SSLConnection
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff

        host, port = split_address(self.address)
        kind = partial(SSLConnection, ssl_ca_certs=self.ca, ssl_check_hostname=True) if self.tls else Connection
        return kind(
            host=host,
            port=port,
            db=self.database,
            username=self.user or None,
            password=self.secret() or None,
            protocol=2,
            retry=Retry(NoBackoff(), 0),  # whether to try again is the caller's to decide
            socket_connect_timeout=timeout,
            socket_timeout=None,
            driver_info=None,  # else it would tell Redis its name, which our users may not
        )


class Script:
    """A Lua script: Redis runs it as one step, so nobody sees its work half done."""

    __slots__ = ("digest", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()  # how EVALSHA names it

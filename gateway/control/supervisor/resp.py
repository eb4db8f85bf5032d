"""Just enough of Redis' protocol to ask "are you there?" and to manage users.

The problem: a Redis client library costs the supervisor as much memory as the supervisor itself. The rule:
RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/), a handful of commands in one
connection, answers bounded in size and time.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

Reply = str | int | None | list["Reply"]
_LONGEST = 1_048_576


class RedisError(Exception):
    """Redis answered with an error, or not in its protocol."""


@dataclass(frozen=True)
class RedisAddress:
    """A Redis server and who we are to it."""

    host: str
    port: int
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    tls: bool = False

    @property
    def url(self) -> str:
        """The address without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}"


def parse_url(url: str) -> RedisAddress:
    """`redis[s]://[user:password@]host[:port][/database]`.

    Raises:
        ValueError: another scheme, or no such address; the text never repeats the password.
    """
    parts = urlsplit(url)
    database = parts.path.lstrip("/") or "0"
    if parts.scheme not in ("redis", "rediss") or not parts.hostname or not database.isdecimal():
        raise ValueError("expected redis://[user:password@]host[:port][/database]")
    return RedisAddress(
        host=parts.hostname,
        port=parts.port or 6379,
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        database=int(database),
        tls=parts.scheme == "rediss",
    )


async def ask(address: RedisAddress, *commands: Sequence[str], timeout: float = 1.0) -> list[Reply]:
    """Send commands in one connection (after AUTH) and return their answers.

    Raises:
        RedisError: an error answer.
        OSError, TimeoutError: not reachable, or not within `timeout` seconds.
    """
    async with asyncio.timeout(timeout):
        context = ssl.create_default_context() if address.tls else None
        reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
        try:
            for login in _login(address):
                await _one(reader, writer, login)
            return [await _one(reader, writer, command) for command in commands]
        finally:
            writer.close()


def _login(address: RedisAddress) -> list[Sequence[str]]:
    if not address.password:
        return []
    return [("AUTH", address.username or "default", address.password)]


async def _one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: Sequence[str]) -> Reply:
    writer.write(encode(command))
    try:
        return await read_reply(reader)
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise RedisError(f"{command[0]}: unexpected end or answer") from error


def encode(command: Sequence[str]) -> bytes:
    """A command as an array of bulk strings."""
    parts = [word.encode() for word in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


async def read_reply(reader: asyncio.StreamReader) -> Reply:
    """One answer.

    Raises:
        RedisError: an error answer.
        ValueError: not RESP2, or too long.
    """
    line = (await reader.readuntil(b"\r\n"))[:-2]
    kind, rest = line[:1], line[1:].decode("utf-8", "replace")
    if kind == b"-":
        raise RedisError(rest)
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    length = int(rest)
    if kind not in (b"$", b"*") or length > _LONGEST:
        raise ValueError("not a RESP2 answer")
    if length < 0:
        return None
    if kind == b"*":
        return [await read_reply(reader) for _ in range(length)]
    return (await reader.readexactly(length + 2))[:-2].decode("utf-8", "replace")

"""Telling control which copies get requests, and asking whether one of them is still in use.

By its admin API, with a connection per question and no HTTP library: the supervisor stays in memory for as long as the
shop runs.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

MAX_ANSWER = 4 * 1024 * 1024


class NoControl(Exception):
    """It is away, or it refuses; `str()` says why."""


@dataclass(frozen=True)
class ControlClient:
    """Speaks to the admin API of this instance."""

    port: int
    secret: str = field(repr=False)
    host: str = "127.0.0.1"

    async def place(self, placement: Mapping[str, Any], within: float = 30.0) -> None:
        """Have a placement put in force; returns when all who send requests have it.

        Raises:
            NoControl: it is not in force.
        """
        await self._ask("POST", "/placement", within, placement)

    async def leaving(self, address: str, within: float = 10.0) -> int:
        """How many requests may still reach an address.

        Raises:
            NoControl: nobody knows.
        """
        answer = await self._ask("GET", f"/leaving?address={quote(address)}", within)
        return int(answer["left"])

    async def _ask(
        self, method: str, target: str, within: float, document: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        body = b"" if document is None else json.dumps(document).encode()
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n"
            f"Authorization: Bearer {self.secret}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            async with asyncio.timeout(within):
                received = await self._exchange(head.encode() + body)
            status, said = _read(received)
        except (OSError, TimeoutError, ValueError) as error:
            raise NoControl(f"control does not answer: {error or type(error).__name__}") from None
        if status != 200:
            raise NoControl(str(said.get("detail") or said.get("reason") or f"control answered {status}"))
        return said

    async def _exchange(self, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(request)
            received = b""
            while len(received) < MAX_ANSWER and (part := await reader.read(65_536)):
                received += part
            return received
        finally:
            writer.close()


def _read(answer: bytes) -> tuple[int, dict[str, Any]]:
    """Status and body; aiohttp gives every body of ours a length, so none is in pieces.

    Raises:
        ValueError: it is no answer of control.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head.startswith(b"HTTP/1.") and head.count(b" ") else 0
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("no object")
    return status, said

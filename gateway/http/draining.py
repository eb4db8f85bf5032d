"""The rest of an answer that nobody wants.

The problem: an answer that is tried again instead of passed on may still be on its way; to break the connection costs
a new one, to read it may take for ever. The rule: what is short and comes soon is read, so that the connection serves
the next request; anything else is broken off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.http.messages import UNTIL_CLOSE, Response

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection

MOST: Final = 65_536
"""Bytes."""
LONGEST: Final = 1.0
"""Seconds."""


def drain(connection: ClientConnection, response: Response) -> None:
    """Read the rest of this answer, within bounds; the connection's caller may forget it."""
    if response.length == UNTIL_CLOSE or response.length > MOST:
        connection.cancel()
    else:
        connection.caller = Drain(connection)


class Drain:
    """Stands for the caller who has left (see gateway.http.partners.Caller)."""

    __slots__ = ("_connection", "_left", "_timer")

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._left = MOST
        self._timer = asyncio.get_running_loop().call_later(LONGEST, connection.cancel)

    def answer_data(self, data: bytes, end: bool) -> None:
        """More of the body; at its end the connection is back in its pool already."""
        self._left -= len(data)
        if end:
            self._timer.cancel()
        elif self._left < 0:
            self._timer.cancel()
            self._connection.cancel()

    def answer_failed(self, reason: str, reused: bool) -> None:
        """It broke: nobody minds."""
        self._timer.cancel()

    def answer_interim(self, interim: Response) -> None:
        """None comes after the answer's head."""

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """It came before this."""

    def answer_upgraded(self, response: Response) -> None:
        """None comes after the answer's head."""

    def upstream_slow(self) -> None:
        """Nothing is being sent."""

    def upstream_ready(self) -> None:
        """Nothing is being sent."""

"""Asking the supervisor: one JSON line in, one out, over its socket (mode 0600), with the secret of this start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson

MAX_ANSWER = 1024 * 1024
ANSWER_SECONDS = 15.0


class SupervisorError(Exception):
    """The supervisor is away, or refused; the text says why."""


class SupervisorClient:
    """Speaks to `supervisor.sock`; a connection per question, as the supervisor closes after its answer."""

    def __init__(self, path: Path, secret: str) -> None:
        self._path, self._secret = path, secret

    async def ask(self, within: float = ANSWER_SECONDS, **question: Any) -> dict[str, Any]:
        """The supervisor's answer.

        Raises:
            SupervisorError: not reachable, no answer in time, not JSON, or an answer that is an error.
        """
        try:
            async with asyncio.timeout(within):
                line = await self._exchange(orjson.dumps({**question, "secret": self._secret}) + b"\n")
            answer = orjson.loads(line)
        except (OSError, TimeoutError, ValueError) as error:
            raise SupervisorError(f"the supervisor does not answer: {error or type(error).__name__}") from None
        if not isinstance(answer, dict):
            raise SupervisorError("the supervisor's answer is not an object")
        if answer.get("error"):
            raise SupervisorError(str(answer["error"])[:500])
        return answer

    async def _exchange(self, line: bytes) -> bytes:
        reader, writer = await asyncio.open_unix_connection(self._path, limit=MAX_ANSWER)
        try:
            writer.write(line)
            await writer.drain()
            return await reader.readline()
        finally:
            writer.close()

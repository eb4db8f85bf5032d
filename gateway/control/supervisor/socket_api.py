"""supervisor.sock: one JSON line in, one JSON line out, then the connection is closed.

Whoever is answered may stop everything. So the socket lies in the private state directory with mode 0600; and since
the kernel lets every process of this user connect, wherever it may read and write (landlock(7) does not ask about
Unix sockets with a path), each question brings the secret of this start, from a file that confined processes cannot
read. Who somebody is by its process id would not do: that changes with a fork.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Answerer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
LONGEST_QUESTION = 65_536
QUESTION_SECONDS = 5.0
log = logging.getLogger(__name__)


class Refused(Exception):
    """The question cannot be answered; `str()` says why."""


class SocketApi:
    """Serves `answer` on a Unix socket, to those who know the secret."""

    def __init__(self, path: Path, answer: Answerer, secret: str) -> None:
        self._path, self._answer, self._secret = path, answer, secret.encode()
        self.strangers = 0
        """Questions without the secret."""
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left by a killed predecessor is replaced (we hold the directory's lock)."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)  # the mode must be right from the first instant
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LONGEST_QUESTION)
        finally:
            os.umask(before)

    def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._reply(reader)
            with contextlib.suppress(ConnectionError):  # who asked may have gone away
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        finally:
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                line = await reader.readuntil(b"\n")
            question = json.loads(line)
            if not isinstance(question, dict):
                return {"error": "expected a JSON object"}
            if not hmac.compare_digest(str(question.pop("secret", "")).encode(), self._secret):
                self.strangers += 1
                log.warning("a question without the secret of this start", extra={"strangers": self.strangers})
                return {"error": "this question needs the secret of this start, which instance.json holds"}
            return await self._answer(question)
        except Refused as refused:
            return {"error": str(refused)}
        except (ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return {"error": "expected one line of JSON"}
        except Exception:
            log.exception("question not answered")
            return {"error": "internal error; see the supervisor's log"}

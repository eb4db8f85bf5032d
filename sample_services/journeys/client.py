"""One visitor's HTTP: every answer judged, every wait bounded."""

from __future__ import annotations

import asyncio
import json as json_module
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

REQUEST_SECONDS = 5.0
LONGEST_RETRY_AFTER = 10.0
MAX_ANSWER = 1_048_576


class Wrong(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(frozen=True)
class Answer:
    """What came back, and was expected."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, parsed.

        Raises:
            Wrong: it is not JSON.
        """
        try:
            return json_module.loads(self.body)
        except ValueError:
            raise Wrong("the answer is not JSON") from None


class Client:
    """Sends requests to the shop. A limit is obeyed once, as patient clients do; after that it is a wrong answer."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")

    async def ask(
        self,
        method: str,
        path: str,
        *,
        expect: Collection[int] = (200,),
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """One request; `body` is `json` or `data`.

        Raises:
            Wrong: no answer in time, or one with another status.
        """
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        answer = await self._send(method, path, headers=sent, **body)
        if answer.status == 429 and 429 not in expect and (seconds := _retry_after(answer)) is not None:
            await asyncio.sleep(seconds)
            answer = await self._send(method, path, headers=sent, **body)
        if answer.status not in expect:
            raise Wrong(f"{method} {path} answered {answer.status}{_reason(answer)}")
        return answer

    async def _send(self, method: str, path: str, **options: Any) -> Answer:
        try:
            async with self._session.request(
                method, self._base_url + path, timeout=aiohttp.ClientTimeout(REQUEST_SECONDS), **options
            ) as response:
                return Answer(response.status, response.headers, await response.content.read(MAX_ANSWER))
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Wrong(f"{method} {path}: no answer ({type(error).__name__})") from None


def _retry_after(answer: Answer) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isdecimal() and float(text) <= LONGEST_RETRY_AFTER else None


def _reason(answer: Answer) -> str:
    try:
        return f" {json_module.loads(answer.body)['reason']}"
    except (ValueError, LookupError, TypeError):
        return ""

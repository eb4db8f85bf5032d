"""One visitor's HTTP: paced, counted, bounded, and calm when the gateway is away.

The problem: a load generator that retries at once makes every outage worse. The rule: every request waits for its
moment; a gateway that does not answer, or says "too many requests", ends the journey, and the visitor stays away
for a while.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import aiohttp

from sample_services.traffic.plan import Pace
from sample_services.traffic.report import Report

_MAX_ANSWER = 1_048_576
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class UnreachableError(Exception):
    """The gateway did not answer."""


class LimitedError(Exception):
    """The gateway asked to come back later; `seconds` as told by Retry-After."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"limited for {seconds} s")
        self.seconds = seconds


class UnexpectedError(Exception):
    """An answer that the journey did not expect."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Visitor:
    """Sends requests to the public gateway at `base_url`; many visitors may share pace and report."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        pace: Pace,
        report: Report,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._pace = pace
        self._report = report
        self._clock = clock

    async def call(
        self,
        method: str,
        path: str,
        *,
        expect: Collection[int] = (200,),
        token: str | None = None,
        json: Any = None,
        data: bytes | Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """Send one request when its moment has come, and give the answer's body.

        Raises:
            UnreachableError, LimitedError, UnexpectedError: see there.
        """
        await asyncio.sleep(self._pace.take(self._clock()))
        all_headers = dict(headers or {})
        if token is not None:
            all_headers["Authorization"] = f"Bearer {token}"
        try:
            async with self._session.request(
                method, self._base_url + path, json=json, data=data, headers=all_headers, timeout=_TIMEOUT
            ) as response:
                body = await response.content.read(_MAX_ANSWER)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._report.unreachable()
            raise UnreachableError(type(error).__name__) from error
        self._report.answer(response.status)
        _judge(response, expect, f"{method} {path}")
        return body

    async def call_json(self, method: str, path: str, **options: Any) -> Any:
        """As `call`, with the answer's JSON decoded."""
        body = await self.call(method, path, **options)
        try:
            return json.loads(body)
        except ValueError as error:
            raise UnexpectedError(f"{method} {path} did not answer with JSON", 200) from error


def _judge(response: aiohttp.ClientResponse, expect: Collection[int], what: str) -> None:
    if response.status in expect:
        return
    if response.status == 429:
        after = response.headers.get("Retry-After", "1")
        raise LimitedError(float(after) if after.isdecimal() else 1.0)
    raise UnexpectedError(f"{what} answered {response.status}, not {sorted(expect)}", response.status)

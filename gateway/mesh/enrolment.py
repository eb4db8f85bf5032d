"""How a process comes to its identity and keeps it.

The problem: a certificate of minutes must be renewed in time, for ever, while the authority may be away; and a
revocation must be heard of at once. The rule: the key is made here and never leaves; the first certificate is for the
one-time token that came with the settings; at two thirds of its life (a little earlier or later, so that not all ask
at once) the next one is asked for, and until it comes the old one serves on. A second connection stays open, over
which the authority says whom to believe.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from gateway.mesh.identity import identity_of
from gateway.mesh.lines import LONGEST, BadLine, as_line, read_line
from gateway.mesh.request import new_request
from gateway.upstream.workload import Stranger, Workload

log = logging.getLogger("gateway.mesh")

AUTHORITY: Final = identity_of("authority")
ANSWER_SECONDS: Final = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 5.0
"""Seconds between attempts while the authority is away: doubling."""

_AWAY = (OSError, TimeoutError, BadLine, Stranger)  # ssl.SSLError is an OSError


@dataclass(frozen=True)
class MeshSettings:
    """What a process of the mesh is told when it starts."""

    identity: str
    authority: str
    """`host:port`."""
    bundle: str
    """The roots to believe at first, PEM."""
    token: str
    """Good once, for a minute; see gateway.mesh.bootstrap."""
    life: float = 0.0
    """Seconds for which the first certificate is asked; 0: for as long as the authority gives them."""
    renews: bool = True
    """False, for a lesson: the certificate is left to expire."""

    def __repr__(self) -> str:
        return f"<MeshSettings {self.identity}>"


class NotEnrolled(Exception):
    """The authority gives no certificate, and will give none: `str()` says why."""


class Enrolment:
    """Keeps a workload's certificate good."""

    def __init__(
        self,
        workload: Workload,
        settings: MeshSettings,
        random: Random,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.workload = workload
        self._settings, self._random, self._wall = settings, random, wall
        self._host, _, port = settings.authority.rpartition(":")
        self._port = int(port)
        self._renew = asyncio.Event()

    async def first(self) -> None:
        """Get the first certificate, however long the authority takes to come.

        Raises:
            NotEnrolled: it says no.
        """
        pause = FIRST_PAUSE
        while True:
            try:
                await self._ask({"do": "enrol", "token": self._settings.token, "life": self._settings.life})
            except _AWAY as error:
                log.info("the authority is not there yet: %s", error or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                return

    async def run(self) -> None:
        """Renew and listen until cancelled."""
        async with asyncio.TaskGroup() as group:
            if self._settings.renews:
                group.create_task(self._keep_renewing())
            group.create_task(self._keep_watching())

    async def _keep_renewing(self) -> None:
        pause = FIRST_PAUSE
        while True:
            await self._until_due()
            try:
                await self._ask({"do": "renew"})
                pause = FIRST_PAUSE
            except (*_AWAY, NotEnrolled) as error:
                left = self.workload.expires - self._wall()
                log.warning("no renewal (%s); the certificate is good for another %.0f s", error, left)
                self._renew.set()
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    async def _until_due(self) -> None:
        """Wait for two thirds of the certificate's life, or for the authority's wish."""
        left = self.workload.expires - self._wall()
        due = max(0.0, left / 3 * (1.9 + 0.2 * self._random.random()))  # all of it is left when it is new
        try:
            await asyncio.wait_for(self._renew.wait(), due)
        except TimeoutError:
            return
        self._renew.clear()

    async def _keep_watching(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                async with self._connection() as (reader, writer):
                    writer.write(as_line({"do": "watch"}))
                    while message := await read_line(reader):
                        pause = FIRST_PAUSE
                        self._heed(message)
            except _AWAY as error:
                log.info("the authority is away: %s", error or type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _heed(self, message: dict[str, Any]) -> None:
        self._believe(message)
        if message["renew"]:
            self._renew.set()

    def _believe(self, message: dict[str, Any]) -> None:
        bundle, barred = message["bundle"].encode(), frozenset(message["barred"])
        self.workload.trust(bundle, frozenset(message["revoked"]), barred)

    async def _ask(self, question: dict[str, Any]) -> None:
        key, request = new_request()
        async with asyncio.timeout(ANSWER_SECONDS), self._connection() as (reader, writer):
            writer.write(as_line(question | {"request": request}))
            answer = await read_line(reader)
        if answer is None:
            raise BadLine("no answer")
        if "error" in answer:
            raise NotEnrolled(f"{self.workload.identity}: {answer['error']}")
        self.workload.install(answer["chain"].encode(), key, answer["bundle"].encode())
        self._believe(answer)
        log.info("certificate %s of %s", self.workload.generation, self.workload.identity)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """To the authority itself, and with our certificate as soon as there is one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if self.workload.generation:
            self.workload.equip(context)
        else:
            context.minimum_version = ssl.TLSVersion.TLSv1_3
            context.check_hostname = False
            context.load_verify_locations(cadata=self._settings.bundle)
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=context, limit=LONGEST)
        try:
            self.workload.expect(AUTHORITY, writer.get_extra_info("peercert"))
            yield reader, writer
        finally:
            writer.close()

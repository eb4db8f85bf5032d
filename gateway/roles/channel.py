"""A worker's line to the control process: configuration comes in, counts and records go out.

The problem: the control process may be away, restarting, or slow, and none of that may touch a request. The rule:
the worker dials, again and again; what it has to say waits in bounded lists; while nobody listens it serves on with
the last configuration it had, which it also starts from when control is away at the start.

Newline-delimited JSON in both directions: for workers over a Unix socket with mode 0600, for sidecars over mutual TLS.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson

from gateway.compile.compiler import Endpoints
from gateway.compile.table import filter_types
from gateway.roles.caches import caches, purge
from gateway.roles.explain import explain
from gateway.roles.limits import limits
from gateway.roles.worker import Worker
from gateway.spec.models import Spec
from gateway.spec.restore import restore

REDIAL: Final = 0.02
STATS_PERIOD: Final = 1.0
RECORDS_PERIOD: Final = 0.25
LONG_LINE: Final = 65_536
MAX_LINE: Final = 64 * 1_048_576

log = logging.getLogger("gateway.channel")

Message = dict[str, Any]
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[], Awaitable[Line]]
"""Connects to control, or raises an OSError."""
Apply = Callable[[Message, Endpoints, int], Awaitable[float]]
"""Puts a spec document in force and tells for how many seconds requests had to wait; or raises."""


def over_unix_socket(path: str) -> Dial:
    """How workers reach control."""
    return lambda: asyncio.open_unix_connection(path, limit=MAX_LINE)


class Channel:
    """Keeps one connection to control."""

    def __init__(self, dial: Dial, worker: Worker, apply: Apply, introduction: Message) -> None:
        """`introduction` says who we are besides our name: the role, and what control must know of it."""
        self._dial = dial
        self._worker = worker
        self._apply = apply
        self._introduction = introduction
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Dial, talk, dial again, until cancelled."""
        while True:
            try:
                reader, writer = await self._dial()
            except OSError:
                await asyncio.sleep(REDIAL)
                continue
            self._writer = writer
            try:
                await self._talk(reader)
            except* (OSError, ValueError) as broken:  # a group: it comes out of _talk's task group
                log.warning("the line to control broke: %s", broken.exceptions[0])
            finally:
                self._worker.watched = False
                self._writer = None
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader) -> None:
        version = self._worker.snapshot.version or None
        ours = {"type": "hello", "worker": self._worker.name, "pid": os.getpid(), "version": version}
        self._send(ours | self._introduction)
        self._worker.watched = True
        async with asyncio.TaskGroup() as group:
            reporters = [group.create_task(self._report_stats()), group.create_task(self._report_records())]
            while line := await reader.readline():
                await self._receive(await self._read(line))
            for reporter in reporters:
                reporter.cancel()

    async def _read(self, line: bytes) -> Message:
        """A configuration of a thousand routes is a megabyte: read beside the requests."""
        read: Message = orjson.loads(line) if len(line) < LONG_LINE else await asyncio.to_thread(orjson.loads, line)
        return read

    async def _receive(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "snapshot":
            await self._snapshot(message)
        elif kind == "canaries":
            self._worker.obey(message["canaries"])
        elif kind == "question":
            self._send({"type": "answer", "id": message["id"], "result": await self._answer(message)})
        else:
            log.warning("control said something unknown: %r", kind)

    async def _snapshot(self, message: Message) -> None:
        """Apply and acknowledge; a configuration that does not compile here changes nothing."""
        version, stall, error = message["version"], 0.0, None
        try:
            stall = 1000 * await self._apply(message["spec"], message["endpoints"], version)
        except Exception as caught:
            log.exception("version %s was not applied", version)
            error = f"{type(caught).__name__}: {caught}"
        self._send({"type": "ack", "version": version, "accepted": error is None, "error": error, "stall_ms": stall})

    async def _answer(self, question: Message) -> Message:
        asked, snapshot = question.get("ask"), self._worker.snapshot
        if asked not in ("explain", "limits", "caches", "purge", "leaving") or not snapshot.version:
            return {"error": f"cannot answer {asked!r}"}
        try:
            if asked == "leaving":
                return {"left": self._worker.leaving(question["request"]["address"])}
            if asked == "limits":
                return await limits(snapshot, question["request"]["route"])
            if asked == "caches":
                return caches(snapshot)
            if asked == "purge":
                return purge(snapshot, question["request"])
            return await explain(snapshot, question["request"])
        except (KeyError, ValueError, TypeError) as error:  # a question that makes no sense must not cost the line
            return {"error": f"the question cannot be answered: {type(error).__name__}: {error}"}

    async def _report_stats(self) -> None:
        while True:
            worker = self._worker
            workload = worker.runtime.workload
            self._send(
                {
                    "type": "stats",
                    "worker": worker.name,
                    "families": worker.metrics.families(),
                    "clusters": worker.cluster_view(),
                    "canaries": worker.canary_reports(),
                    "rss_bytes": peak_rss(),
                    "certificate_expires": workload.expires if workload else None,
                }
            )
            await asyncio.sleep(STATS_PERIOD)

    async def _report_records(self) -> None:
        while True:
            await asyncio.sleep(RECORDS_PERIOD)
            if self._worker.recent:
                records, self._worker.recent = self._worker.recent, []
                self._send({"type": "requests", "records": records})
            if past := self._worker.past.take():
                self._send({"type": "explanations", **past})

    def _send(self, message: Message) -> None:
        """Write, unless the line has closed, or control is so slow that a megabyte waits: then it misses this one."""
        writer = self._writer
        if writer is None or writer.is_closing() or writer.transport.get_write_buffer_size() > 1_048_576:
            return
        writer.write(orjson.dumps(message) + b"\n")


def read_spec(document: Message) -> Spec:
    """A spec as control sends it: checked there, so only its types are restored here."""
    return restore(document, filter_types())


def peak_rss() -> int:
    """The largest resident size so far, in bytes (macOS counts bytes, Linux KiB)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

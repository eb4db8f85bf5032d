"""An upstream that writes down exactly what it reads, so that proxies in front of it can be compared."""

from __future__ import annotations

import asyncio
import re

from tests.differential.table import Seen

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Recorder:
    """`seen` are the requests since the last `take`."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def take(self) -> tuple[Seen, ...]:
        """What came since the last time."""
        seen, self.seen = tuple(self.seen), []
        return seen

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a reader that takes what proxies send, and no liberties."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            body = await _body(head.lower(), reader)
            self.seen.append((method, target, body))
            writer.write(ANSWER[:-2] if method == "HEAD" else ANSWER)
            await writer.drain()


async def _body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return body
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head)
    return await reader.readexactly(int(length[1])) if length else b""

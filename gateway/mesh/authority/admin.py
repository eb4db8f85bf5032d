"""What the supervisor and the command line may tell the authority, over a Unix socket in the private state directory.

Every process of this user can open the socket, a compromised service among them, which no file rule keeps from
sockets; so each question brings the secret of this start. One JSON line in, one out.
"""

from __future__ import annotations

import asyncio
import hmac
import os
from pathlib import Path
from typing import Any

from gateway.mesh.authority.issuer import Intermediate
from gateway.mesh.authority.server import AuthorityServer
from gateway.mesh.lines import LONGEST, BadLine, as_line, read_line


class AuthorityAdmin:
    """Serves the socket."""

    def __init__(self, path: Path, secret: str, server: AuthorityServer) -> None:
        self._path, self._secret, self._authority = path, secret.encode(), server
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; mode 0600 from the first instant."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, self._path, limit=LONGEST)
        finally:
            os.umask(before)

    def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            question = await asyncio.wait_for(read_line(reader), 5.0)
            answer = {"error": "nothing asked"} if question is None else await self._answer(question)
        except (BadLine, TimeoutError):
            answer = {"error": "expected one line of JSON"}
        try:
            writer.write(as_line(answer))
            await writer.drain()
        except ConnectionError:
            pass  # whoever asked has gone
        finally:
            writer.close()

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        given = str(question.get("secret", "")).encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._secret):
            self._authority.results["admin", "wrong_secret"] += 1
            return {"error": "wrong secret"}
        match question:
            case {"do": "list"}:
                return self._list()
            case {"do": "revoke", "identity": str(identity)}:
                return {"revoked": self._authority.revoke(identity)}
            case {"do": "allow", "identity": str(identity)}:
                self._authority.allow(identity)
                return {"allowed": identity}
            case {"do": "adopt", "intermediate": dict(document)}:
                number = self._authority.issuer.intermediate.number + 1
                await self._authority.adopt(Intermediate.read(document, number))
                return {"adopted": number}
        return {"error": "ask list, revoke, allow or adopt"}

    def _list(self) -> dict[str, Any]:
        issuer = self._authority.issuer
        revoked = issuer.register.revoked()
        certificates = [
            {
                "serial": f"{one.serial:x}",
                "identity": one.identity,
                "expires": one.expires,
                "intermediate": one.issuer,
                "superseded": one.superseded,
                "revoked": one.serial in revoked,
            }
            for one in issuer.register.issued()
        ]
        results = [
            {"asked": asked, "result": result, "count": n} for (asked, result), n in self._authority.results.items()
        ]
        return {
            "certificates": certificates,
            "barred": sorted(issuer.register.barred),
            "results": results,
            "intermediate": issuer.intermediate.number,
            "changing_root": issuer.former is not None,
        }

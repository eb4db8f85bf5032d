"""The page's own files, read once at start: what is not in this folder cannot be asked for, so no path can escape it.

Their addresses carry a digest of the content. So browsers may keep a file for a year, and still get the new one
at once when it changes, since then its address changes too (RFC 8246, `immutable`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from aiohttp import web

from sample_services.kit.problems import Problem

_TYPES: Final = {".css": "text/css", ".svg": "image/svg+xml"}
_YEAR: Final = 31_536_000


@dataclass(frozen=True)
class _File:
    body: bytes
    content_type: str
    digest: str


class StaticFiles:
    """Serves GET /static/{name}."""

    def __init__(self) -> None:
        folder = files("sample_services.storefront") / "static"
        self.files = {entry.name: _read(entry.name, entry.read_bytes()) for entry in folder.iterdir()}

    def url(self, name: str) -> str:
        """The address to put on a page."""
        return f"/static/{name}?v={self.files[name].digest}"

    async def get(self, request: web.Request) -> web.Response:
        """The file, or 304 when the client has it.

        Raises:
            Problem: 404, there is no such file.
        """
        file = self.files.get(request.match_info["name"])
        if file is None:
            raise Problem(404, "not_found", "There is no such file.")
        headers = {
            "Cache-Control": _caching(request.query.get("v") == file.digest),
            "ETag": f'"{file.digest}"',
            "X-Content-Type-Options": "nosniff",
        }
        if any(tag.value == file.digest for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=file.body, content_type=file.content_type, charset="utf-8", headers=headers)


def _read(name: str, body: bytes) -> _File:
    """A file of a type that is not listed stops the service at start, not a visitor later."""
    return _File(body, _TYPES["." + name.rpartition(".")[2]], hashlib.sha256(body).hexdigest()[:16])


def _caching(versioned: bool) -> str:
    return f"public, max-age={_YEAR}, immutable" if versioned else "public, max-age=300"

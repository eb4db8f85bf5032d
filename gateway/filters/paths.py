"""Replacing a path, as URLRewrite and RequestRedirect do it (Gateway API HTTPPathModifier)."""

from __future__ import annotations

from gateway.http.messages import Request
from gateway.spec.filters import PathModifier


def replaced_path(modifier: PathModifier, request: Request) -> str:
    """The new path; ReplacePrefixMatch exchanges what the route's prefix matched, by whole segments.

    Routes that match by regular expression have no such prefix and name it; a path without it stays as it is.
    """
    if modifier.type == "ReplaceFullPath":
        return modifier.value
    prefix = request.matched if modifier.prefix is None else modifier.prefix.rstrip("/")
    if not f"{request.path}/".startswith(f"{prefix}/"):
        return request.path
    rest = request.path[len(prefix) :].lstrip("/")
    base = modifier.value.rstrip("/")
    return f"{base}/{rest}" if rest else base or "/"

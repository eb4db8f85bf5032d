"""Replacing a path, as URLRewrite and RequestRedirect do it (Gateway API HTTPPathModifier)."""

from __future__ import annotations

from gateway.http.messages import Request
from gateway.spec.filters import PathModifier


def replaced_path(modifier: PathModifier, request: Request) -> str:
    """The new path; ReplacePrefixMatch exchanges what the route's prefix matched, by whole segments."""
    if modifier.type == "ReplaceFullPath":
        return modifier.value
    rest = request.path[len(request.matched) :].lstrip("/")
    base = modifier.value.rstrip("/")
    return f"{base}/{rest}" if rest else base or "/"

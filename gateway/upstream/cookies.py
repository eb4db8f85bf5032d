"""Reading one cookie of a request (RFC 6265 section 4.2.1)."""

from __future__ import annotations

from gateway.http.messages import Request


def cookie(request: Request, name: bytes) -> str | None:
    """The value of the first cookie of that name; None when there is none."""
    if b"cookie" not in request.fields:
        return None
    for line in request.all(b"cookie"):
        for pair in line.split(b";"):
            found, _, value = pair.strip().partition(b"=")
            if found == name:
                return value.strip(b'"').decode("latin-1")
    return None

"""Where a service is, as a cluster of a configuration says it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.spec.checks.clusters import endpoint_problem


class Address(NamedTuple):
    """An endpoint, and how it is spoken to."""

    endpoint: str
    tls: bool


def read_address(text: str) -> Address:
    """From `host:port`, or from a URL with `http` or `https`; its path does not matter here.

    Raises:
        ValueError: it is neither; says what to write.
    """
    if "://" not in text:
        endpoint, tls = text.lower(), False
    else:
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"{text!r} is no address; write it like http://127.0.0.1:8000")
        tls = parts.scheme == "https"
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        endpoint = f"{host}:{parts.port or (443 if tls else 80)}"
    if problem := endpoint_problem(endpoint, names=True):
        raise ValueError(f"{text!r} is not an endpoint: {problem}")
    return Address(endpoint, tls)

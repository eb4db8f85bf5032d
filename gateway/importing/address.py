"""Where a service is, as a cluster of a configuration says it.

The problem: documents name hosts, and endpoints are addresses: what a name leads to is not for a file to guess. The
rule: an address or localhost is taken; of a name the certificate's name is kept, and the address is left to people.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from gateway.spec.checks.clusters import endpoint_problem

PLACEHOLDER = "127.0.0.1"


class Address(NamedTuple):
    """An endpoint, and how it is spoken to."""

    endpoint: str
    tls: bool
    name: str
    """The host name that was given, where that is no address; "" otherwise."""


def read_address(text: str) -> Address:
    """From `host:port`, or from a URL with `http` or `https`; its path does not matter here.

    Raises:
        ValueError: it is neither; says what to write.
    """
    if "://" not in text:
        if problem := endpoint_problem(text):
            raise ValueError(f"{text!r} is not an endpoint: {problem}")
        return Address(text, False, "")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ValueError(f"{text!r} is no address; write it like http://127.0.0.1:8000")
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if endpoint_problem(f"{host}:{port}"):
        return Address(f"{PLACEHOLDER}:{port}", tls, parts.hostname)
    return Address(f"{host}:{port}", tls, "")

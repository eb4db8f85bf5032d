"""The host name of a request as routes know it, and which names could serve it, most specific first."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST = 253
"""No host name is longer (RFC 1035 section 2.3.4); a longer one matches only routes for every host."""


def hostname_of(host: str) -> str:
    """A Host header without port and trailing dot, in lower case. Brackets of IPv6 addresses are kept."""
    if host.startswith("["):
        return host[: host.find("]") + 1].lower()
    return host.partition(":")[0].rstrip(".").lower()


def names_for(hostname: str) -> Iterator[str]:
    """The names that match `hostname`: itself, wildcards from longest to shortest, and "" for every host.

    A wildcard stands for one or more labels, never for none: `*.shop.example` matches `a.b.shop.example`, not
    `shop.example` (Gateway API: Hostname).
    """
    if len(hostname) <= _LONGEST:
        yield hostname
        dot = hostname.find(".")
        while dot > 0:
            yield f"*{hostname[dot:]}"
            dot = hostname.find(".", dot + 1)
    if hostname:
        yield ""

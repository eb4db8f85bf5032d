"""Whether an address lies in one of several networks (CIDR, RFC 4632).

The problem: taking an address apart costs several microseconds, and the same clients come again and again; but who
remembers every address is a target himself. The rule: the latest 4 096 answers are remembered. An IPv4 address in
IPv6 form (`::ffff:192.0.2.1`, RFC 4291 section 2.5.5.2) is that IPv4 address: otherwise a list could be walked around.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

REMEMBERED: Final = 4_096


def membership(networks: Iterable[str]) -> Callable[[str], bool]:
    """A function that tells whether an address, as text, lies in any of the networks; what is no address does not."""
    parsed = [ipaddress.ip_network(one) for one in networks]

    @lru_cache(REMEMBERED)
    def contains(address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)
        return any((mapped or found) in network for network in parsed)

    return contains

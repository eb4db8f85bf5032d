"""What an address is good for: which are public, and which a cluster may connect to.

The problem: a service that calls out by name can be led inside: a name that resolves to 169.254.169.254 (a cloud's
metadata, and its credentials), to 127.0.0.1, or to the same hidden in an IPv6 address (server-side request forgery,
CWE-918, OWASP API7:2023). The rule: an address must be in something that is allowed and in nothing that is denied, and
`public` means what IANA's registries of special-purpose addresses leave over:

- https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry; the few blocks inside
  192.0.0.0/24 and 2001::/23 that may be reached globally are not public here: nobody offers a service there.
- IPv6: only 2000::/3 is given out as global unicast (RFC 4291, …/ipv6-address-space), so all else is special.
- An IPv4 address inside `::ffff:0:0/96` (RFC 4291) or NAT64's `64:ff9b::/96` (RFC 6052) is judged as that IPv4
  address: that is who answers. In forms that tunnel (6to4, Teredo, IPv4-compatible) it is not public at all.

Python's own `is_global` must agree as well; alone it is not enough, since versions differ on 6to4, NAT64 and others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PUBLIC: Final = "public"
"""The word in a configuration that stands for every public address."""

_SPECIAL: Final[tuple[tuple[Network, str], ...]] = tuple(
    (ipaddress.ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        # Not in the registry: every machine in Azure reaches the platform's agent there.
        # https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
        ("168.63.129.16/32", "a cloud's platform"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "for discarding"),
        ("2001::/32", "a Teredo tunnel"),
        ("2001::/23", "for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a 6to4 tunnel"),
        ("3fff::/20", "for documentation"),
        ("5f00::/16", "for segment routing"),
        ("fc00::/7", "unique local"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_CARRIERS: Final = tuple(map(ipaddress.IPv6Network, ("::ffff:0:0/96", "64:ff9b::/96")))
"""IPv6 forms whose last 32 bits are the IPv4 address that is reached."""


def special(address: Address) -> str:
    """What an address is when it is not public, in a word or two; "" when it is public."""
    address = carried(address) or address
    for network, what in _SPECIAL:
        if address in network:
            return what
    if address.version == 6 and address not in _UNICAST:
        return "not given out"
    return "" if address.is_global else "not global"


def carried(address: Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address is another form of."""
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _CARRIERS):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


class AddressPolicy:
    """What an address may be: `deny` goes before `allow`."""

    def __init__(self, allow: Iterable[str], deny: Iterable[str] = ()) -> None:
        """Networks in CIDR form; in `allow` also the word `public`."""
        words = tuple(allow)
        self._public = PUBLIC in words
        self._allow = tuple(ipaddress.ip_network(one) for one in words if one != PUBLIC)
        self._deny = tuple(ipaddress.ip_network(one) for one in deny)

    def refusal(self, text: str) -> str:
        """Why this address may not be connected to, in a few words; "" when it may."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return "no address"
        forms = (address, carried(address))
        if any(form in network for form in forms if form for network in self._deny):
            return "denied"
        if any(form in network for form in forms if form for network in self._allow):
            return ""
        what = special(address)
        return what or ("" if self._public else "not allowed")

    def __repr__(self) -> str:
        allowed = ["public"] * self._public + [str(one) for one in self._allow]
        return f"<AddressPolicy allow={', '.join(allowed)} deny={', '.join(map(str, self._deny)) or '-'}>"

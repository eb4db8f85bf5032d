"""The PROXY protocol, versions 1 and 2: who the client is, said by a load balancer before the client's first byte.

The problem: behind a balancer of TCP connections every client has the balancer's address; limits and logs need
the real one. HAProxy's protocol puts it in front (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
The rule: whoever may send it must send it (section 2: "MUST not try to guess whether the header is present");
what does not match letter by letter is refused at the first byte that is wrong; length is bounded.

    version 1   PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\\r\\n            at most 107 bytes (section 2.1)
    version 2   signature(12) version+command(1) family(1) length(2)      then addresses and TLVs (section 2.2)

Nothing here reads from a socket: `read_header` is given all bytes that came so far.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

V1_START: Final = b"PROXY "
V1_MAX: Final = 107
V2_SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
V2_FIXED: Final = 16
V2_MAX: Final = 4_096
"""Bytes after the fixed part that we take: addresses need 36 (216 for Unix sockets); the rest is for TLVs."""

_PORT: Final = r"(0|[1-9][0-9]{0,4})"
_V1_LINE: Final = re.compile(rf"PROXY TCP(4|6) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) {_PORT} {_PORT}".encode())
_V1_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")

_LOCAL, _PROXY = 0x20, 0x21  # version 2 in the upper half, the command in the lower
_ADDRESS_BYTES: Final = {0x11: 4, 0x21: 16}
"""TCP over IPv4, TCP over IPv6: the families whose addresses we use, and the length of one address."""
_UNUSED: Final = {0x00: 0, 0x01: 0, 0x02: 0, 0x10: 0, 0x20: 0, 0x30: 0, 0x12: 12, 0x22: 36, 0x31: 216, 0x32: 216}
"""Valid ones that we do not use, and the least that they need: treated as UNSPEC, as section 2.2 allows."""


class Malformed(Exception):
    """These bytes are no PROXY header: the connection is to be closed."""


class Header(NamedTuple):
    """A complete header."""

    length: int
    """Bytes that it takes; the client's own begin after them."""
    source: str | None
    """The client's IP address; None when the balancer speaks for itself (a health check) or does not know."""
    port: int = 0


def read_header(data: bytes) -> Header | None:
    """The header at the start of `data`; None while it is incomplete.

    Raises:
        Malformed: no continuation could make it a header.
    """
    if data.startswith(V2_SIGNATURE):
        return _read_v2(data)
    if data.startswith(V1_START):
        return _read_v1(data)
    if V2_SIGNATURE.startswith(data) or V1_START.startswith(data):
        return None
    raise Malformed("neither of the two versions begins like this")


def _read_v1(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, V1_MAX)
    if end < 0:
        _refuse_v1(data)
        return None
    line = data[:end]
    if _V1_UNKNOWN.fullmatch(line):
        return Header(end + 2, None)
    found = _V1_LINE.fullmatch(line)
    if found is None:
        raise Malformed("the line is not of the form PROXY TCP4 source destination port port")
    kind, *addresses, source_port, port = (part.decode("ascii") for part in found.groups())
    source, _ = (_address(kind, address) for address in addresses)
    if int(source_port) > 65_535 or int(port) > 65_535:
        raise Malformed("a port is at most 65535")
    return Header(end + 2, source, int(source_port))


def _refuse_v1(data: bytes) -> None:
    """Refuse early what can no longer become a line (section 2.1: as soon as possible)."""
    if len(data) >= V1_MAX:
        raise Malformed("no CRLF in the first 107 bytes")
    if b"\n" in data or b"\r" in data[:-1]:
        raise Malformed("CR or LF alone")


def _address(kind: str, text: str) -> str:
    """The address in its usual spelling; Python refuses leading zeros, as the protocol does."""
    try:
        return str(ipaddress.IPv4Address(text) if kind == "4" else _unmapped(ipaddress.IPv6Address(text)))
    except ValueError:
        raise Malformed(f"no IPv{kind} address") from None


def _unmapped(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IPv4 client that the balancer met on an IPv6 socket is an IPv4 client: one client, one limit."""
    return address.ipv4_mapped or address


def _read_v2(data: bytes) -> Header | None:
    if len(data) > 12 and data[12] not in (_LOCAL, _PROXY):
        raise Malformed("version or command unknown")
    if len(data) > 13 and data[13] not in _ADDRESS_BYTES and data[13] not in _UNUSED:
        raise Malformed("family or transport unknown")
    if len(data) < V2_FIXED:
        return None
    length = int.from_bytes(data[14:16], "big")
    if length > V2_MAX:
        raise Malformed(f"longer than {V2_MAX} bytes")
    end = V2_FIXED + length
    if len(data) < end:
        return None
    if data[12] == _LOCAL:
        return Header(end, None)  # section 2.2: the block is discarded, including the family
    return _addresses(data[13], data[V2_FIXED:end], end)


def _addresses(family: int, block: bytes, end: int) -> Header:
    size = _ADDRESS_BYTES.get(family)
    if size is None:
        if len(block) < _UNUSED[family]:
            raise Malformed("too short for its family")
        return Header(end, None)
    needed = 2 * size + 4
    if len(block) < needed:
        raise Malformed("too short for its family")
    _check_tlvs(block[needed:])
    source = ipaddress.ip_address(block[:size])
    if isinstance(source, ipaddress.IPv6Address):
        source = _unmapped(source)
    return Header(end, str(source), int.from_bytes(block[2 * size : 2 * size + 2], "big"))


def _check_tlvs(data: bytes) -> None:
    """What follows the addresses is type (1), length (2), value; nothing may be left over (section 2.2)."""
    while data:
        size = 3 + int.from_bytes(data[1:3], "big")
        if len(data) < 3 or len(data) < size:
            raise Malformed("an extension is cut off")
        data = data[size:]

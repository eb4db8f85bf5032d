"""The PROXY protocol's bytes, whole, cut at every place, and wrong in every way that we thought of."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.http.proxy_protocol import V2_MAX, Header, Malformed, read_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def v2(command: int, family: int, block: bytes, length: int | None = None) -> bytes:
    return SIGNATURE + bytes([command, family]) + (len(block) if length is None else length).to_bytes(2, "big") + block


def tcp(source: str, destination: str = "198.51.100.1", port: int = 56_324) -> bytes:
    packed = b"".join(ipaddress.ip_address(one).packed for one in (source, destination))
    return packed + port.to_bytes(2, "big") + (443).to_bytes(2, "big")


TCP4 = tcp("192.0.2.1")
TCP6 = tcp("2001:db8::1", "2001:db8::2")
LONGEST_TLV = b"\x04" + (V2_MAX - 15).to_bytes(2, "big") + bytes(V2_MAX - 15)
TLV = b"\x04\x00\x03abc"

GOOD = {
    "v1 tcp4": (b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1", 56_324),
    "v1 tcp4, longest": (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255", 65_535),
    "v1 tcp4, port 0": (b"PROXY TCP4 192.0.2.1 198.51.100.1 0 443\r\n", "192.0.2.1", 0),
    "v1 tcp6": (b"PROXY TCP6 2001:DB8::1 2001:db8::2 1 443\r\n", "2001:db8::1", 1),
    "v1 tcp6, longest": (b"PROXY TCP6 " + b"ffff:" * 7 + b"ffff " + b"ffff:" * 7 + b"ffff 65535 65535\r\n",
                         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65_535),
    "v1 an IPv4 client on an IPv6 socket": (b"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 443\r\n", "192.0.2.1", 1),
    "v1 unknown": (b"PROXY UNKNOWN\r\n", None, 0),
    "v1 unknown, anything after it": (b"PROXY UNKNOWN ffff::1 what ever \xff\r\n", None, 0),
    "v1 unknown, longest": (b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n", None, 0),
    "v2 tcp4": (v2(0x21, 0x11, TCP4), "192.0.2.1", 56_324),
    "v2 tcp6": (v2(0x21, 0x21, TCP6), "2001:db8::1", 56_324),
    "v2 an IPv4 client on an IPv6 socket": (v2(0x21, 0x21, tcp("::ffff:192.0.2.1", "::1")), "192.0.2.1", 56_324),
    "v2 with extensions": (v2(0x21, 0x11, TCP4 + TLV + b"\x20\x00\x00"), "192.0.2.1", 56_324),
    "v2 longest": (v2(0x21, 0x11, TCP4 + LONGEST_TLV), "192.0.2.1", 56_324),
    "v2 local": (v2(0x20, 0x00, b""), None, 0),
    "v2 local, block ignored": (v2(0x20, 0x11, b"?"), None, 0),
    "v2 unspecified": (v2(0x21, 0x00, b"any"), None, 0),
    "v2 udp4: not used": (v2(0x21, 0x12, TCP4), None, 0),
    "v2 udp6: not used": (v2(0x21, 0x22, TCP6), None, 0),
    "v2 unix: not used": (v2(0x21, 0x31, bytes(216)), None, 0),
}  # fmt: skip

BAD = {
    "a request": REQUEST,
    "TLS": b"\x16\x03\x01\x02\x00",
    "lower case": b"proxy TCP4 192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 unknown family": b"PROXY TCP5 192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 udp": b"PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 two spaces": b"PROXY TCP4  192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 tab": b"PROXY TCP4\t192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 space at the end": b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 \r\n",
    "v1 a port missing": b"PROXY TCP4 192.0.2.1 198.51.100.1 1\r\n",
    "v1 a port too many": b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n",
    "v1 port too large": b"PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
    "v1 other port too large": b"PROXY TCP4 192.0.2.1 198.51.100.1 2 65536\r\n",
    "v1 port with zero before it": b"PROXY TCP4 192.0.2.1 198.51.100.1 080 2\r\n",
    "v1 port with sign": b"PROXY TCP4 192.0.2.1 198.51.100.1 +80 2\r\n",
    "v1 address with zero before it": b"PROXY TCP4 192.0.2.01 198.51.100.1 1 2\r\n",
    "v1 address too large": b"PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
    "v1 destination wrong": b"PROXY TCP4 192.0.2.1 198.51.100 1 2\r\n",
    "v1 address of the other family": b"PROXY TCP4 2001:db8::1 198.51.100.1 1 2\r\n",
    "v1 IPv4 address as TCP6": b"PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
    "v1 scope": b"PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
    "v1 a name": b"PROXY TCP4 localhost 198.51.100.1 1 2\r\n",
    "v1 LF alone": b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\n",
    "v1 CR alone": b"PROXY TCP4 192.0.2.1 198.51.100.1 1 2\rG",
    "v1 LF inside": b"PROXY UNKNOWN \n\r\n",
    "v1 NUL": b"PROXY TCP4 192.0.2.1\x00 198.51.100.1 1 2\r\n",
    "v1 unknown, glued": b"PROXY UNKNOWNX\r\n",
    "v1 too long": b"PROXY UNKNOWN " + b"f" * 92 + b"\r\n",
    "v1 without end": b"PROXY " + b"x" * 101,
    "v2 version 1": v2(0x11, 0x11, TCP4),
    "v2 version 3": v2(0x31, 0x11, TCP4),
    "v2 command": v2(0x22, 0x11, TCP4),
    "v2 family": v2(0x21, 0x41, TCP4),
    "v2 transport": v2(0x21, 0x13, TCP4),
    "v2 local of no family": v2(0x20, 0xFF, b""),
    "v2 too short for IPv4": v2(0x21, 0x11, TCP4[:-1]),
    "v2 too short for IPv6": v2(0x21, 0x21, TCP4),
    "v2 too short for Unix": v2(0x21, 0x31, bytes(215)),
    "v2 too long": v2(0x21, 0x11, b"", V2_MAX + 1),
    "v2 extension cut off": v2(0x21, 0x11, TCP4 + TLV[:-1]),
    "v2 extension without length": v2(0x21, 0x11, TCP4 + b"\x04\x00"),
    "v2 something left over": v2(0x21, 0x11, TCP4 + TLV + b"\x04"),
    "v2 signature wrong": b"\r\n\r\n\x00\r\nQUIT\r",
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_good_headers(case: str) -> None:
    data, source, port = GOOD[case]
    assert read_header(data) == Header(len(data), source, port)
    assert read_header(data + REQUEST) == Header(len(data), source, port)


@pytest.mark.parametrize("case", GOOD)
def test_a_header_cut_anywhere_waits_for_the_rest(case: str) -> None:
    data = GOOD[case][0]
    assert all(read_header(data[:end]) is None for end in range(len(data)))


@pytest.mark.parametrize("case", BAD)
def test_bad_headers(case: str) -> None:
    with pytest.raises(Malformed):
        read_header(BAD[case])


@pytest.mark.parametrize("case", BAD)
def test_a_bad_header_that_comes_byte_by_byte_never_becomes_good(case: str) -> None:
    data = BAD[case]

    def refused_at(end: int) -> bool:
        try:
            return read_header(data[:end]) is not None
        except Malformed:
            return True

    verdicts = [refused_at(end) for end in range(1, len(data) + 1)]
    first = verdicts.index(True)
    assert all(verdicts[first:])
    with pytest.raises(Malformed):
        read_header(data[: first + 1])


def test_what_is_no_header_is_refused_at_its_first_byte() -> None:
    for data in (b"G", b"\x16", b"PROXx", b"\r\n\r\nG"):
        with pytest.raises(Malformed):
            read_header(data)

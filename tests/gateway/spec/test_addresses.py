"""Which addresses are public, in every form that an address can hide in."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spec.addresses import AddressPolicy, carried, special

PUBLIC = AddressPolicy(["public"])


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("0.0.0.0", "this network"),
        ("0.1.2.3", "this network"),
        ("10.1.2.3", "private"),
        ("100.64.0.1", "shared by a carrier"),
        ("100.100.100.200", "shared by a carrier"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("168.63.129.16", "a cloud's platform"),
        ("169.254.169.254", "link-local"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.0.0.192", "for protocols"),
        ("192.0.2.1", "for documentation"),
        ("192.88.99.1", "a 6to4 relay"),
        ("192.168.0.1", "private"),
        ("198.18.0.1", "for benchmarks"),
        ("198.51.100.1", "for documentation"),
        ("203.0.113.1", "for documentation"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("::8.8.8.8", "IPv4-compatible"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:0:127.0.0.1", "not given out"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("64:ff9b::10.0.0.1", "private"),
        ("64:ff9b:1::8.8.8.8", "local NAT64"),
        ("100::1", "for discarding"),
        ("2001::1", "a Teredo tunnel"),
        ("2001:20::1", "for protocols"),
        ("2001:db8::1", "for documentation"),
        ("2002:7f00:1::", "a 6to4 tunnel"),
        ("2002:808:808::", "a 6to4 tunnel"),
        ("3fff::1", "for documentation"),
        ("4000::1", "not given out"),
        ("5f00::1", "for segment routing"),
        ("fd00:ec2::254", "unique local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fec0::1", "site-local"),
        ("ff02::1", "multicast"),
        ("not an address", "no address"),
        ("0x7f.1", "no address"),
        ("127.1", "no address"),
        ("2130706433", "no address"),
    ],
)
def test_what_is_not_public(address: str, what: str) -> None:
    assert PUBLIC.refusal(address) == what


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1", "172.32.0.1", "192.0.1.1",
     "223.255.255.255", "2606:4700::1111", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"],
)  # fmt: skip
def test_what_is_public(address: str) -> None:
    assert PUBLIC.refusal(address) == ""


@settings(deadline=None)
@given(st.ip_addresses(v=4))
def test_an_address_in_another_form_is_the_same_address(address: ipaddress.IPv4Address) -> None:
    for network in ("::ffff:0:0", "64:ff9b::"):
        form = ipaddress.IPv6Address(int(ipaddress.IPv6Address(network)) | int(address))
        assert carried(form) == address
        assert special(form) == special(address)


@settings(deadline=None)
@given(st.ip_addresses())
def test_nothing_is_public_that_python_calls_otherwise(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    if not special(address):
        judged = carried(address) or address
        assert judged.is_global
        assert not judged.is_multicast


def test_what_is_allowed_beside_or_instead() -> None:
    instead = AddressPolicy(["10.0.0.0/8"])
    assert (instead.refusal("10.1.2.3"), instead.refusal("8.8.8.8")) == ("", "not allowed")
    assert (instead.refusal("::ffff:10.1.2.3"), instead.refusal("10.1.2.3.4")) == ("", "no address")
    beside = AddressPolicy(["public", "fd00::/8"])
    assert [beside.refusal(one) for one in ("8.8.8.8", "fd00::1", "127.0.0.1")] == ["", "", "loopback"]


def test_what_is_denied_is_denied_in_every_form() -> None:
    policy = AddressPolicy(["public", "10.0.0.0/8"], ["8.8.8.0/24", "10.9.0.0/16"])
    for address in ("8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "10.9.1.1", "::ffff:10.9.1.1"):
        assert policy.refusal(address) == "denied", address
    assert policy.refusal("10.8.1.1") == ""

"""Small types that several models share: each says what it accepts and, when it refuses, what to write instead."""

from __future__ import annotations

import ipaddress
import os.path
import re
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, PlainSerializer, Strict, StringConstraints, ValidationInfo

_DURATION = re.compile(r"([0-9]{1,5}(?:h|m|s|ms)){1,4}")
_DURATION_PART = re.compile(r"([0-9]+)(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def parse_duration(value: Any, info: ValidationInfo) -> float:
    """Seconds from a GEP-2257 duration: `250ms`, `15s`, `1m30s`, `1h`.

    Seconds as a float are accepted from Python code and from a snapshot, never from a file (the loader says so
    in the context): a bare `15` there says nothing about its unit.

    Raises:
        ValueError: anything else.
    """
    if isinstance(value, float) and not info.context:
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        shown = f'"{value}"' if isinstance(value, str) else value
        raise ValueError(f"{shown} is not a duration; write it with a unit, like 250ms, 15s, 1m30s")
    return sum(int(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))


def parse_address(value: Any) -> str:
    """An IP address to bind.

    Raises:
        ValueError: a host name: what it resolves to is not this file's to decide.
    """
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError(f'"{value}" is not an IP address; 127.0.0.1 is this machine only') from None


def parse_network(value: Any) -> str:
    """A network in CIDR form, or one address.

    Raises:
        ValueError: a name, or an address with bits set below its prefix: was the prefix wrong, or the address?
    """
    try:
        return str(ipaddress.ip_network(str(value)))
    except ValueError:
        raise ValueError(f'"{value}" is not a network; write 10.0.0.0/8, fd00::/8 or one address') from None


def parse_allowed(value: Any) -> str:
    """A network in CIDR form, one address, or the word `public`.

    Raises:
        ValueError: anything else.
    """
    if value == "public":
        return "public"
    try:
        return str(ipaddress.ip_network(str(value)))
    except ValueError:
        raise ValueError(f'"{value}" is not a network; write public, 10.0.0.0/8, fd00::/8 or one address') from None


def parse_file(value: Any, info: ValidationInfo) -> str:
    """The absolute path of a file; from a configuration file it is relative to the folder of that file.

    Raises:
        ValueError: no text, or nothing at all.
    """
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected the path of a file, relative to the folder of this configuration")
    return os.path.normpath(os.path.join(info.context["folder"], value)) if info.context else value  # noqa: PTH118


def parse_secret(value: Any) -> str:
    """A secret text; a mistake is told without it.

    Raises:
        ValueError: no text, or none at all.
    """
    if not isinstance(value, str) or not value:
        raise ValueError('expected a text; write "${NAME}" in quotes, since one of digits alone would be a number')
    return value


SPELLINGS: Final[dict[str, str]] = {}
"""What a text with one of our patterns is; completes the sentence '"x" is not …'."""


def spelled(pattern: str, what: str, *, to_lower: bool = False) -> StringConstraints:
    """Text that matches `pattern` as a whole (checked in Rust: a Python function for each value costs a reload)."""
    whole = f"^(?:{pattern})$"
    SPELLINGS[whole] = what
    return StringConstraints(pattern=whole, to_lower=to_lower)


_WORD = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"  # RFC 9110 section 5.6.2

Duration = Annotated[float, Field(ge=0), BeforeValidator(parse_duration), PlainSerializer(float, return_type=float)]
Address = Annotated[str, BeforeValidator(parse_address)]
Network = Annotated[str, BeforeValidator(parse_network)]
AllowedNetwork = Annotated[str, BeforeValidator(parse_allowed)]
File = Annotated[str, BeforeValidator(parse_file)]
Secret = Annotated[str, BeforeValidator(parse_secret)]
# Strict: without it "yes" would be true, true would be 1, and "8088" a port.
Flag = Annotated[bool, Strict()]
Integer = Annotated[int, Strict()]
Port = Annotated[Integer, Field(ge=0, le=65_535)]
Percent = Annotated[float, Strict(), Field(ge=0.0, le=1.0)]
Name = Annotated[
    str,
    spelled(
        r"[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?",
        'a name: lower-case letters, digits, ".", "_" and "-" inside, at most 63 characters',
    ),
]
Hostname = Annotated[
    str,
    spelled(
        r"(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?",
        'a host name; write shop.example, or *.shop.example for all names below it (no port, no "/")',
        to_lower=True,
    ),
]
CalledHost = Annotated[
    str,
    spelled(
        r"\*|(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?",
        "a host that may be called; write api.example, *.api.example for all names below it, or * for every host",
        to_lower=True,
    ),
]
ServerName = Annotated[
    str,
    spelled(
        r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}",
        "one server's name or IP address, without port or wildcard",
        to_lower=True,
    ),
]
SpiffeId = Annotated[
    str,
    Field(max_length=2_048),
    spelled(
        r"spiffe://[a-z0-9._-]{1,255}(/[A-Za-z0-9._-]+)+", "an identity like spiffe://gatehouse.local/ns/shop/sa/orders"
    ),
]
Token = Annotated[str, spelled(_WORD + "{1,64}", "a method; write GET, POST, …")]
HeaderName = Annotated[str, spelled(_WORD + "+", "a header name (RFC 9110 section 5.6.2)", to_lower=True)]
Origin = Annotated[
    str, spelled(r"\*|https?://[A-Za-z0-9.\[\]:-]{1,260}", "an origin like https://shop.example, or *", to_lower=True)
]
Principal = Annotated[
    str,
    Field(max_length=2_048),
    spelled(
        r"\*|[A-Za-z0-9._~:/?@!$&'()+,;=%-]+(/\*)?",
        "a principal: a URI or DNS name of a client's certificate; /* at its end, or * alone, stands for any",
    ),
]
SiteOrigin = Annotated[
    str,
    spelled(r"https?://[A-Za-z0-9][A-Za-z0-9.\[\]:-]{0,260}", "an origin like https://shop.example", to_lower=True),
]
CrossOrigin = Annotated[
    str,
    spelled(
        r"\*|https?://(\*\.)?[A-Za-z0-9][A-Za-z0-9.\[\]:-]{0,260}",
        "an origin like https://shop.example, https://*.shop.example for all below it, or * for every page",
        to_lower=True,
    ),
]
HeaderValue = Annotated[
    str,
    Field(max_length=4_096),
    spelled(r"[\t\x20-\x7e\x80-\xff]*", "a header value: control characters have no place in it"),
]
AbsolutePath = Annotated[str, Field(max_length=1_024), spelled(r"/.*", 'a path: it begins with "/"')]

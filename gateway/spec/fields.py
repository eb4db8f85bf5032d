"""Small types that several models share: each says what it accepts and, when it refuses, what to write instead."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints

_DURATION = re.compile(r"^(?:(\d{1,5})h)?(?:(\d{1,5})m)?(?:(\d{1,5})s)?(?:(\d{1,5})ms)?$")


def parse_duration(value: Any) -> float:
    """Seconds from a GEP-2257 duration: `250ms`, `15s`, `1m30s`, `1h`.

    Raises:
        ValueError: anything else, a bare number above all: `15` says nothing about its unit.
    """
    if isinstance(value, float):  # already seconds: a model built in Python, or a spec sent to a worker
        return value
    match = _DURATION.match(value) if isinstance(value, str) and value else None
    if match is None:
        raise ValueError(f"{value!r} is not a duration; write it with a unit, like 250ms, 15s, 1m30s")
    hours, minutes, seconds, millis = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + millis / 1000


def parse_address(value: Any) -> str:
    """An IP address to bind.

    Raises:
        ValueError: a host name: what it resolves to is not this file's to decide.
    """
    try:
        return str(ipaddress.ip_address(str(value)))
    except ValueError:
        raise ValueError(f"{value!r} is not an IP address; 127.0.0.1 is this machine only") from None


Duration = Annotated[
    float, BeforeValidator(parse_duration), Field(ge=0), PlainSerializer(float, return_type=float)
]
Address = Annotated[str, BeforeValidator(parse_address)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Percent = Annotated[float, Field(ge=0.0, le=1.0)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$")]
Hostname = Annotated[
    str, StringConstraints(to_lower=True, pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?$")
]
Token = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$", max_length=64)]
HeaderName = Annotated[str, StringConstraints(to_lower=True, pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$")]

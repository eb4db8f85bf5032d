"""Cache-Control and HTTP dates, read strictly.

The problem: what cannot be read must not be taken for permission. The rule: a Cache-Control that is no list of
directives counts as `no-store`; a number that is none, or that is said twice in different ways, counts as 0; a date
in none of the three formats of RFC 9110 section 5.6.7 is none.
"""

from __future__ import annotations

import re
from calendar import timegm
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Directives = Mapping[str, str]
"""By name in lower case; "" for one without an argument."""

LONGEST: Final = 1_024
"""Bytes of a Cache-Control that are read; a longer one counts as `no-store`."""
FAR: Final = 2**31
"""Seconds; RFC 9111 section 1.2.2: what is larger means this."""

_WORD: Final = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
_DIRECTIVE: Final = re.compile(
    rf'[ \t]*+(?:({_WORD})(?:=(?:({_WORD})|"((?:[^"\\]|\\.)*+)"))?[ \t]*+)?(?:,|\Z)', re.DOTALL
)
_UNREADABLE: Final[Directives] = MappingProxyType({"no-store": ""})
_NONE: Final[Directives] = MappingProxyType({})

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH: Final = "(?P<month>" + "|".join(_MONTHS) + ")"
_TIME: Final = r"(?P<hour>\d\d):(?P<minute>\d\d):(?P<second>\d\d)"
_DATES: Final = (
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (?P<day>\d\d) {_MONTH} (?P<year>\d{{4}}) {_TIME} GMT", re.ASCII),
    re.compile(
        rf"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (?P<day>\d\d)-{_MONTH}-(?P<year>\d\d) {_TIME} GMT", re.ASCII
    ),
    re.compile(rf"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) {_MONTH} (?P<day>[\d ]\d) {_TIME} (?P<year>\d{{4}})", re.ASCII),
)


def directives(values: Iterable[bytes]) -> Directives:
    """What the Cache-Control fields of a message say together."""
    text = b",".join(values)
    if not text:
        return _NONE
    return _read(text) if len(text) <= LONGEST else _UNREADABLE


@lru_cache(maxsize=256)
def _read(text: bytes) -> Directives:
    found: dict[str, str] = {}
    rest, position = text.decode("latin-1"), 0
    while position < len(rest):
        match = _DIRECTIVE.match(rest, position)
        if match is None:
            return _UNREADABLE
        position = match.end()
        if match[1] is None:
            continue
        name, value = match[1].lower(), match[2] or match[3] or ""
        found[name] = value if found.get(name, value) == value else "contradictory"
    return MappingProxyType(found)


def seconds(said: Directives, name: str) -> float | None:
    """The argument of a directive in seconds; None when the directive is not there."""
    value = said.get(name)
    return None if value is None else whole_number(value)


def whole_number(text: str) -> float:
    """RFC 9111 section 1.2.2: delta-seconds; 0 for what is none."""
    if not (text.isascii() and text.isdigit()):
        return 0.0
    return float(min(int(text[:12]), FAR)) if len(text.lstrip("0")) <= 12 else float(FAR)


def http_date(value: bytes, now: float) -> float | None:
    """Seconds since 1970; None when it is no date.

    Args:
        now: seconds since 1970; a year of two digits that would lie more than 50 years ahead is one of the past.
    """
    text = value.decode("latin-1")
    match = next(filter(None, (one.fullmatch(text) for one in _DATES)), None)
    if match is None:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        this_year = datetime.fromtimestamp(now).year
        year += this_year // 100 * 100
        year -= 100 if year > this_year + 50 else 0
    day = (year, _MONTHS.index(match["month"]) + 1, int(match["day"]))
    time = (int(match["hour"]), int(match["minute"]), int(match["second"]))
    try:
        datetime(*day)
    except ValueError:
        return None
    if time[0] > 23 or time[1] > 59 or time[2] > 60:
        return None
    return float(timegm((*day, *time)))

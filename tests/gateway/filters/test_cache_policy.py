"""RFC 9111, sections 3 and 4.2, against a slow reference that is written from its text."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.cache_directives import directives, http_date, seconds
from gateway.filters.cache_key import variant, varying
from gateway.filters.cache_policy import Defaults, Times, initial_age, lifetime, terms, vary, why_not

NOW = 1_700_000_000.0


def date(offset: float) -> bytes:
    return formatdate(NOW + offset, usegmt=True).encode()


def head(*fields: tuple[str, str | bytes]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in fields]


def said(text: str) -> dict[str, str]:
    return dict(directives([text.encode()]))


# -- Cache-Control ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("no-store", {"no-store": ""}),
        ("Max-Age=60, PUBLIC", {"max-age": "60", "public": ""}),
        (" max-age=60 ,, public\t,", {"max-age": "60", "public": ""}),
        ('max-age="60"', {"max-age": "60"}),
        ('private="set-cookie, x", public', {"private": "set-cookie, x", "public": ""}),
        ("max-age=60, max-age=60", {"max-age": "60"}),
        ("max-age=60, max-age=61", {"max-age": "contradictory"}),
        ('a="un\\"quoted", b', {"a": 'un\\"quoted', "b": ""}),
        ("max-age = 60", {"no-store": ""}),
        ('a="open', {"no-store": ""}),
        ("a b", {"no-store": ""}),
        ("=", {"no-store": ""}),
        ("public, " * 200, {"no-store": ""}),
    ],
)
def test_cache_control(text: str, found: dict[str, str]) -> None:
    assert said(text) == found


def test_repeated_fields_are_one_list() -> None:
    assert dict(directives([b"max-age=60", b"private"])) == {"max-age": "60", "private": ""}


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("60", 60), ("060", 60), ("", 0), ("-1", 0), ("1.5", 0), ("x", 0), ("9" * 40, 2**31), ("1" * 12, 2**31),
     ("\u0661", 0), ("+1", 0)],
)  # fmt: skip
def test_what_is_no_number_is_no_freshness(text: str, number: float) -> None:
    assert seconds({"max-age": text}, "max-age") == number
    assert seconds({}, "max-age") is None


@pytest.mark.parametrize("text", [b"\n", b"max-age=1\n", b"a,\n"])
def test_a_line_end_is_no_end(text: bytes) -> None:
    assert dict(directives([text])) == {"no-store": ""}


@given(st.binary(max_size=200))
def test_no_text_breaks_the_reader(text: bytes) -> None:
    found = directives([text])
    assert all(name == name.lower() for name in found)


# -- dates -----------------------------------------------------------------------------------------------------


@given(st.integers(0, 4_000_000_000))
def test_dates_are_read_as_they_are_written(moment: int) -> None:
    when = datetime.fromtimestamp(moment, UTC)
    assert http_date(formatdate(moment, usegmt=True).encode(), NOW) == moment
    assert (
        http_date(when.strftime("%a %b ").encode() + b"%2d" % when.day + when.strftime(" %H:%M:%S %Y").encode(), NOW)
        == moment
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", (1994, 11, 6, 8, 49, 37)),
        ("Sunday, 06-Nov-24 08:49:37 GMT", (2024, 11, 6, 8, 49, 37)),
        ("Sunday, 06-Nov-72 08:49:37 GMT", (2072, 11, 6, 8, 49, 37)),
        ("Sun Nov  6 08:49:37 1994", (1994, 11, 6, 8, 49, 37)),
        ("0", None),
        ("-1", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:49:37", None),
        ("Sun, 06 Nov 1994 08:49:37 +0000", None),
        ("Sun, 6 Nov 1994 08:49:37 GMT", None),
        ("Sun, 31 Feb 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 24:49:37 GMT", None),
        ("Sun, 06 Nov 0000 08:49:37 GMT", None),
    ],
)
def test_only_the_three_formats_are_dates(text: str, found: tuple[int, ...] | None) -> None:
    assert http_date(text.encode(), NOW) == (None if found is None else timegm(found))


# -- freshness, against a reference ----------------------------------------------------------------------------


def reference(headers: dict[str, str], request_time: float, response_time: float, now: float) -> tuple[float, float]:
    """(freshness_lifetime, current_age), word for word from sections 4.2.1 and 4.2.3."""
    control = dict(re.findall(r"(s-maxage|max-age)=(\d+)", headers.get("cache-control", "")))
    when = {name: timegm(datetime.strptime(headers[name], "%a, %d %b %Y %H:%M:%S GMT").timetuple())
            for name in ("date", "expires") if name in headers}  # fmt: skip
    date_value = when.get("date", response_time)
    if "s-maxage" in control:
        freshness_lifetime = float(control["s-maxage"])
    elif "max-age" in control:
        freshness_lifetime = float(control["max-age"])
    else:
        freshness_lifetime = when["expires"] - date_value if "expires" in when else 0.0
    age_value = float(headers.get("age", 0))
    apparent_age = max(0.0, response_time - date_value)
    response_delay = response_time - request_time
    corrected_age_value = age_value + response_delay
    corrected_initial_age = max(apparent_age, corrected_age_value)
    resident_time = now - response_time
    return freshness_lifetime, corrected_initial_age + resident_time


age = st.integers(0, 10_000)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "cache-control": st.builds(
                lambda parts: ", ".join(parts),
                st.lists(st.one_of(st.just("public"), age.map("max-age={}".format), age.map("s-maxage={}".format)),
                         max_size=3, unique_by=lambda one: one.split("=")[0]),
            ),
            "age": age.map(str),
            "date": st.integers(-5_000, 5_000).map(lambda offset: formatdate(NOW + offset, usegmt=True)),
            "expires": st.integers(-5_000, 9_000).map(lambda offset: formatdate(NOW + offset, usegmt=True)),
        },
    ),
    st.integers(0, 100),
    st.integers(0, 10_000),
)  # fmt: skip
def test_fresh_means_what_the_rfc_says(headers: dict[str, str], delay: int, resident: int) -> None:
    clock = 5_000.0
    fields = head(*headers.items())
    known = terms(200, fields, Times(delay, NOW, clock), Defaults())
    wanted_lifetime, wanted_age = reference(headers, NOW - delay, NOW, NOW + resident)
    assert known.lifetime == max(wanted_lifetime, 0.0)
    assert known.age + resident == wanted_age
    assert (known.lifetime > known.age + resident) == (wanted_lifetime > wanted_age)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        (head(), None),
        (head(("cache-control", "public")), None),
        (head(("expires", "0")), 0),
        (head(("expires", date(60)), ("expires", date(90)), ("date", date(0))), 0),
        (head(("expires", date(60)), ("date", "nonsense")), 60),
        (head(("cache-control", "max-age=1"), ("expires", date(60))), 1),
        (head(("cache-control", "max-age=x"), ("expires", date(60))), 0),
        (head(("last-modified", date(-1_000)), ("date", date(0))), None),
    ],
)
def test_how_long(fields: Any, found: float | None) -> None:
    assert lifetime(200, directives(v for n, v in fields if n == b"cache-control"), fields, NOW, 0.0) == found


def test_guessing_is_off_and_never_for_every_status() -> None:
    fields = head(("last-modified", date(-1_000)), ("date", date(0)))
    assert lifetime(200, {}, fields, NOW, 0.1) == 100
    assert lifetime(302, {}, fields, NOW, 0.1) is None
    assert lifetime(200, {}, head(("last-modified", date(1_000)), ("date", date(0))), NOW, 0.1) == 0


def test_the_greater_of_two_ages_holds() -> None:
    assert initial_age(head(("age", "3"), ("age", "7")), Times(1, NOW, 0)) == 8
    assert initial_age(head(("age", "x"), ("date", date(-5))), Times(1, NOW, 0)) == 5


# -- what may be kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "identified", "why"),
    [
        ("max-age=9", False, ""),
        ("max-age=9", True, "identity"),
        ("public, max-age=9", True, ""),
        ("s-maxage=9", True, ""),
        ("must-revalidate, max-age=9", True, ""),
        ("proxy-revalidate, max-age=9", True, "identity"),
        ("private, max-age=9", False, "private"),
        ("no-store, public, max-age=9", True, "no_store"),
        ("public", False, "no_freshness"),
        ("public, max-age=0", False, "stale_at_once"),
        ("max-age=0, stale-while-revalidate=9", False, ""),
        ("max-age=0, stale-if-error=9", False, ""),
        ("max-age=0, stale-if-error=9, must-revalidate", False, "stale_at_once"),
    ],
)
def test_by_cache_control(control: str, identified: bool, why: str) -> None:
    fields = head(("cache-control", control), ("date", date(0)))
    known = terms(200, fields, Times(0, NOW, 0), Defaults())
    assert why_not(200, fields, known, identified, 0.0) == why


def test_defaults_hold_where_the_answer_says_nothing() -> None:
    defaults = Defaults(0.0, while_revalidate=5, if_error=7)
    silent = terms(200, head(("cache-control", "max-age=1")), Times(0, NOW, 0), defaults)
    assert (silent.while_revalidate, silent.if_error) == (5, 7)
    told = terms(
        200,
        head(("cache-control", "max-age=1, stale-if-error=0, stale-while-revalidate=0")),
        Times(0, NOW, 0),
        defaults,
    )
    assert (told.while_revalidate, told.if_error) == (0, 0)


def test_vary() -> None:
    assert vary(head(("vary", "Accept, X-A ,,"), ("vary", "*"))) == {b"accept", b"x-a", b"*"}
    assert varying(frozenset((b"x-a", b"cookie", b"accept", b"accept-encoding"))) == (b"accept", b"cookie")


@given(st.lists(st.tuples(st.sampled_from([b"accept", b"cookie"]), st.binary(max_size=5)), max_size=4),
       st.lists(st.tuples(st.sampled_from([b"accept", b"cookie"]), st.binary(max_size=5)), max_size=4))  # fmt: skip
def test_fingerprints_are_equal_exactly_when_the_values_are(one: Any, other: Any) -> None:
    names = (b"accept", b"cookie")

    def joined(fields: Any) -> list[bytes]:
        return [b",".join(v.strip(b" \t") for n, v in fields if n == name) for name in names]

    assert (variant(one, names) == variant(other, names)) == (joined(one) == joined(other))

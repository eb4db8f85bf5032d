"""A copy of a request has everything that the request has."""

from __future__ import annotations

from typing import Any, get_type_hints

from gateway.http.messages import _COPIED, Request


def made() -> Request:
    return Request("GET", "/a", "b=c", [(b"host", b"x")], {b"host": b"x"}, "x", 3, "1.0")


def test_a_copy_has_everything_that_the_request_has() -> None:
    """Also what is added to the class some day: its attributes are taken from where they are declared."""
    request = made()
    values: dict[str, Any] = {name: object() for name in get_type_hints(Request)}
    for name, value in values.items():
        _set(request, name, value)
    copy = request.copy()
    assert {name: getattr(copy, name) for name in values} == {name: getattr(request, name) for name in values}
    for name in ("method", "path", "target_path", "target_method", "query", "headers", "fields", "host", "length"):
        assert getattr(copy, name) == getattr(request, name), name
    assert copy.version == "1.0"


def _set(request: Request, name: str, value: Any) -> None:
    """Where the modules are compiled an attribute takes values of its type only: there the default must do."""
    try:
        setattr(request, name, value)
    except TypeError:
        assert name in _COPIED


def test_what_is_changed_in_one_stays_in_the_other() -> None:
    request = made()
    copy = request.copy()
    copy.replace_body(b"longer")
    copy.replace_headers([])
    copy.target_path = "/elsewhere"
    copy.reply_headers.append((b"a", b"b"))
    assert (request.body, request.length, request.target_path, request.reply_headers) == (None, 3, "/a", [])
    assert request.get(b"host") == "x"

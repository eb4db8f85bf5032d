"""One canonical path, or a refusal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.messages import Refused
from gateway.http.path import canonical_path


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/orders/1001", "/orders/1001"),
        (b"/orders/", "/orders/"),
        (b"/a.b/c..d/.well-known/x", "/a.b/c..d/.well-known/x"),
        (b"/%41%2d%7e", "/A-~"),
        (b"/caf%c3%a9", "/caf%C3%A9"),
        (b"/a%20b", "/a%20b"),
        (b"/a;v=1/b", "/a;v=1/b"),
    ],
)
def test_canonical(raw: bytes, path: str) -> None:
    assert canonical_path(raw) == path


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "malformed_target"),
        (b"orders", "malformed_target"),
        (b"/a b", "malformed_target"),
        (b"//orders", "path_empty_segment"),
        (b"/orders//1", "path_empty_segment"),
        (b"/./orders", "path_dot_segment"),
        (b"/orders/..", "path_dot_segment"),
        (b"/orders/../admin", "path_dot_segment"),
        (b"/orders/%2e%2e/admin", "path_dot_segment"),
        (b"/orders/.%2E/admin", "path_dot_segment"),
        (b"/orders/..;x/admin", "path_dot_segment"),
        (b"/orders%2fadmin", "path_encoded_slash"),
        (b"/orders%5Cadmin", "path_encoded_slash"),
        (b"/orders\\admin", "path_backslash"),
        (b"/orders%00", "path_control_character"),
        (b"/orders%0d%0aX:", "path_control_character"),
        (b"/orders%", "path_bad_escape"),
        (b"/orders%4", "path_bad_escape"),
        (b"/orders%zz", "path_bad_escape"),
        (b"/orders%+1", "path_bad_escape"),
    ],
)
def test_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        canonical_path(raw)
    assert refusal.value.reply.reason == reason


@given(st.binary(max_size=40).map(lambda tail: b"/" + tail))
def test_canonical_is_a_fixed_point_without_tricks(raw: bytes) -> None:
    """Whatever passes is left as it is when it is read again, by us or by a service that decodes it."""
    try:
        path = canonical_path(raw)
    except Refused:
        return
    assert canonical_path(path.encode()) == path
    assert not {".", ".."} & set(path.split("/"))
    assert "//" not in path
    assert "\\" not in path

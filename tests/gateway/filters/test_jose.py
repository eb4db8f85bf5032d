"""Reading a token's form."""

import base64
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.filters.jose import BadToken, Unverified, read_token

HEADER = base64.urlsafe_b64encode(b'{"alg":"RS256","kid":"k"}').rstrip(b"=")
ALPHABET = string.ascii_letters + string.digits + "-_"


def read(payload: bytes) -> Unverified:
    return read_token(HEADER + b"." + payload + b".AAAA", ("RS256",))


def spelled_once(part: bytes) -> bool:
    """The slow rule: what is decoded and encoded again is the same."""
    try:
        decoded = base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4))
    except ValueError:
        return False
    return base64.urlsafe_b64encode(decoded).rstrip(b"=") == part


@given(st.text(ALPHABET, min_size=1, max_size=9).map(str.encode))
@example(b"AB")
@example(b"AAB")
@example(b"0A0")
@example(b"A")
def test_the_form_admits_what_decoding_and_encoding_leaves_as_it_is(part: bytes) -> None:
    if spelled_once(part):
        assert read(part).encoded_payload == part
    else:
        with pytest.raises(BadToken, match="jwt_malformed"):
            read(part)


def test_a_header_that_is_remembered_is_judged_by_each_issuers_algorithms() -> None:
    assert read(b"AAAA").kid == "k"
    with pytest.raises(BadToken, match="jwt_algorithm"):
        read_token(HEADER + b".AAAA.AAAA", ("ES256",))
    assert read(b"AAAA").kid == "k"

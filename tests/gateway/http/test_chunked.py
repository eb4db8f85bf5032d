"""The chunked coding, cut at every byte."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
from gateway.http.messages import Refused


def decode(raw: bytes, cuts: list[int]) -> tuple[bytes, bytes]:
    """Body and what came after it, feeding `raw` cut at the given places."""
    decoder, body, after = ChunkedDecoder(), b"", b""
    edges = [0, *sorted(cuts), len(raw)]
    for start, end in pairwise(edges):
        if decoder.done:
            after += raw[start:end]
        else:
            body += decoder.feed(raw[start:end])
            after = decoder.unused
    assert decoder.done
    return body, after


WIKI = b"4;name=value\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: dropped\r\n\r\nGET / HTTP/1.1\r\n"


@pytest.mark.parametrize("cut", range(1, len(WIKI)))
def test_every_boundary(cut: int) -> None:
    assert decode(WIKI, [cut]) == (b"Wikipedia", b"GET / HTTP/1.1\r\n")


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=8), st.lists(st.integers(0, 500), max_size=8))
def test_what_is_encoded_is_decoded(pieces: list[bytes], cuts: list[int]) -> None:
    raw = b"".join(map(encode_chunk, pieces)) + LAST_CHUNK
    assert decode(raw, [cut for cut in cuts if cut < len(raw)]) == (b"".join(pieces), b"")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"x\r\n", "bad_chunk_size"),
        (b"-1\r\n", "bad_chunk_size"),
        (b"0x5\r\nhello", "bad_chunk_size"),
        (b" 5\r\nhello", "bad_chunk_size"),
        (b"5\nhello\r\n", "bad_chunk_size"),
        (b"fffffffffffffffff\r\n", "bad_chunk_size"),
        (b"5;" + b"e" * 300, "bad_chunk_size"),
        (b"5;a\x00b\r\nhello", "bad_chunk_size"),
        (b"5\r\nhelloX\r\n", "bad_chunk"),
        (b"5\r\nhello\n", "bad_chunk"),
        (b"0\r\nbad trailer\r\n\r\n", "bad_trailers"),
        (b"0\r\n" + b"A: b\r\n" * 2000, "bad_trailers"),
    ],
)
def test_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(Refused) as refusal:
        ChunkedDecoder().feed(raw)
    assert refusal.value.reply.reason == reason

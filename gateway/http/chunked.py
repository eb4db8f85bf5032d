"""Reading and writing the chunked transfer coding (RFC 9112 §7.1).

The problem: chunk sizes, extensions and trailers are where lenient parsers disagree (smuggling TE.TE), and where
a peer can send bytes for ever without sending any body. The rule: sizes are 1 to 15 hexadecimal digits,
extensions are checked, bounded and dropped, trailers are checked against the field grammar, bounded and dropped
(RFC 9110 §6.5.1 allows it), and every line ends with CR LF.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.http.grammar import FIELDS
from gateway.http.messages import Refused

MAX_SIZE_LINE: Final = 256
MAX_TRAILERS: Final = 8_192
LAST_CHUNK: Final = b"0\r\n\r\n"

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*+)?\r\n")
_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class ChunkedDecoder:
    """Takes bytes as they come, gives body bytes; `done` once the last chunk and its trailers are read."""

    __slots__ = ("_left", "_rest", "_state", "done", "unused")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0
        self._rest = b""
        self.done = False
        self.unused = b""
        """What came after the end: the beginning of the next message."""

    def feed(self, data: bytes) -> bytes:
        """The body bytes in `data`.

        Raises:
            Refused: 400, the coding is broken or its lines are too long.
        """
        data = self._rest + data if self._rest else data
        position, pieces = 0, []
        while not self.done:
            if self._state == _DATA:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = _DATA_END
            end = self._line(data, position)
            if end < 0:
                break
            position = end
        self._rest = b"" if self.done else data[position:]
        self.unused = data[position:] if self.done else b""
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _line(self, data: bytes, position: int) -> int:
        """Read what is not data from `position`; the position after it, or -1 when more bytes are needed."""
        if self._state == _DATA_END:
            return self._data_end(data, position)
        if self._state == _TRAILERS:
            return self._trailers(data, position)
        return self._size(data, position)

    def _data_end(self, data: bytes, position: int) -> int:
        end = data[position : position + 2]
        if end not in (b"", b"\r", b"\r\n"):
            raise Refused(400, "bad_chunk", "a chunk's data is followed by CR LF (RFC 9112 section 7.1)")
        if end != b"\r\n":
            return -1
        self._state = _SIZE
        return position + 2

    def _size(self, data: bytes, position: int) -> int:
        match = _SIZE_LINE.match(data, position)
        if match is None:
            waiting = data[position : position + MAX_SIZE_LINE]
            if b"\n" in waiting or len(waiting) == MAX_SIZE_LINE:
                raise Refused(400, "bad_chunk_size", "a chunk size is up to 15 hexadecimal digits in a short line")
            return -1
        if match.end() - position > MAX_SIZE_LINE:
            raise Refused(400, "bad_chunk_size", "chunk extensions are too long")
        self._left = int(match[1], 16)
        self._state = _DATA if self._left else _TRAILERS
        return match.end()

    def _trailers(self, data: bytes, position: int) -> int:
        match = FIELDS.match(data, position)
        if match is not None and match.end() - position <= MAX_TRAILERS:
            self.done = True
            return match.end()
        if len(data) - position > MAX_TRAILERS or b"\r\n\r\n" in data[position:]:
            raise Refused(400, "bad_trailers", "trailers are malformed or too long")
        return -1


def encode_chunk(data: bytes) -> bytes:
    """One chunk around non-empty data."""
    return b"%x\r\n%b\r\n" % (len(data), data)

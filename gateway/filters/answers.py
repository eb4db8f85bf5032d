"""Filters that look at the bodies of answers.

The problem: to judge or to rewrite an answer one must have all of it; to compress or to keep it one need not, and
waiting for its end would cost memory and delay the client's first byte. The rule: a filter says which it needs.

- `Filter.answer_limit`: it wants answers whole, up to so many bytes. `on_answer` gets the body and gives back the one
  to send instead, or a Reply; the client sees nothing before that.
- `Filter.stream`: for an answer that it wants to see passing by, it gives a `Stream`, and bytes go through that.

Whole answers come first, last filter first, as everywhere on the way back; streams see what those have made of them.
Filters in front of all that want whole answers see the head (`on_response`) when those have spoken, so what they see
is what the client gets.

A filter can also answer by itself, with content (a `Reply` with a `body` and no `reason`): from `decide`, in place of
an answer (`on_response`), or where there is none (`on_failure`). Such an answer goes back through the filters in front
of it, as if it had come from the endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from gateway.filters.base import Filter
from gateway.http.messages import Reply, Request, Response

TOO_LARGE: Final = Reply(
    502, "answer_too_large_to_inspect", "a policy of this route reads the answer, and it is too large"
)
ENCODED: Final = Reply(502, "answer_encoded", "a policy of this route reads the answer, and it came compressed")
ASKED_PLAIN: Final = (b"accept-encoding", b"identity")


class Stream(Protocol):
    """What one answer's body passes through."""

    keeps_length: bool
    """Whether the same bytes come out that went in, so that the answer's stated length still holds."""

    def feed(self, data: bytes) -> bytes:
        """A piece of the body: what of it can go on."""

    def end(self) -> bytes:
        """The body was complete: what is left to send. Not called for an answer that breaks off."""


class Held:
    """An answer that is kept until all of it is there."""

    __slots__ = ("body", "limit", "response", "wanting")

    def __init__(self, response: Response, wanting: Sequence[Filter[Any]]) -> None:
        self.response = response
        self.wanting = wanting
        self.body = bytearray()
        self.limit = min(one.answer_limit for one in wanting)
        """Bytes; that of the filter that takes least."""

    def __repr__(self) -> str:
        return f"<Held {len(self.body)} of at most {self.limit} bytes, for {[one.name for one in self.wanting]}>"

    @property
    def strictest(self) -> Filter[Any]:
        """The filter whose limit holds."""
        return min(self.wanting, key=lambda one: one.answer_limit)


def is_encoded(response: Response) -> bool:
    """Whether the body comes compressed, though the request asked for it plain."""
    return response.fields.get(b"content-encoding", b"identity").lower() != b"identity"


def ask_plain(request: Request) -> None:
    """Ask the endpoint for an answer that can be read (RFC 9110 section 12.5.3)."""
    fields = [field for field in request.headers if field[0] != b"accept-encoding"]
    request.replace_headers((*fields, ASKED_PLAIN))


class Swallow:
    """For an answer that was given a status which has no body."""

    keeps_length = True

    def feed(self, data: bytes) -> bytes:
        """Nothing goes on."""
        return b""

    def end(self) -> bytes:
        """Nothing is left."""
        return b""


SWALLOW: Final = Swallow()


def is_content(reply: Reply) -> bool:
    """Whether a filter answers by itself, instead of refusing."""
    return reply.body is not None and not reply.reason


def feed_all(streams: Sequence[Stream], data: bytes, end: bool) -> bytes:
    """Pass a piece of a body through streams, one after the other; with `end` also what each had kept back."""
    for one in streams:
        if data:
            data = one.feed(data)
        if end:
            data += one.end()
    return data

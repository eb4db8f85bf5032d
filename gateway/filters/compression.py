"""Compression: answers become smaller on their way to clients that can read them so (RFC 9110 section 12.5.3).

The problem: text shrinks to a fifth, but compressing costs time that others wait for and memory for as long as an
answer lasts; what must not be changed is changed; and the length of a compressed answer that holds a secret beside
words of the caller tells the secret (BREACH, CVE-2013-3587). The rule: only types that are listed, of a size that is
worth it, whole (no 206), not compressed already, and not where the service forbids it (`no-transform`) or has put a
digest of the bytes into a field; in slices, so that nobody waits for more than one of them; a bounded number at one
time; and not for requests with cookies, which pages of other sites can send in their user's name, unless told.

The changed answer says so: Content-Encoding, `Vary: Accept-Encoding` (also where this client gets it plain), a weak
ETag, since the bytes are no longer those that the service named.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, Protocol

from gateway.filters.answers import Stream
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.cache_directives import directives
from gateway.filters.cache_policy import values, vary
from gateway.http.messages import Headers, Request, Response
from gateway.spec.caching import Compression

MAX_STREAMS: Final = 128
"""At one time in each worker and filter; further answers pass as they are (128 of brotli's are 76 MiB)."""
_DIGESTS: Final = frozenset((b"content-md5", b"digest", b"content-digest", b"repr-digest"))
"""RFC 9530 and its elders: a digest of other bytes than the client would get."""
_GONE: Final = frozenset((b"content-length", b"accept-ranges"))
"""What is no longer true of a compressed answer."""
_WINDOW: Final = 16
"""Bits; brotli then takes 0.6 MiB for each answer at level 4, and 2 % more bytes than with its largest window."""


class Compressor(Protocol):
    """One answer being compressed."""

    def compress(self, data: bytes) -> bytes:
        """A piece: what of it is ready."""

    def flush(self) -> bytes:
        """Everything that has come so far; more may follow."""

    def finish(self) -> bytes:
        """The end."""


class Gzip:
    """RFC 1952; with a window of 32 KiB, as every client has it."""

    def __init__(self, level: int) -> None:
        self._made = zlib.compressobj(level, zlib.DEFLATED, 31)
        self.compress = self._made.compress

    def flush(self) -> bytes:
        """See Compressor."""
        return self._made.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        """See Compressor."""
        return self._made.flush(zlib.Z_FINISH)


def _brotli() -> Callable[[int], Compressor]:
    """RFC 7932; its library is imported where somebody names it."""
    import brotli

    class Brotli:
        def __init__(self, level: int) -> None:
            made: Any = brotli.Compressor(quality=level, lgwin=_WINDOW)
            self.compress: Callable[[bytes], bytes] = made.process
            self.flush: Callable[[], bytes] = made.flush
            self.finish: Callable[[], bytes] = made.finish

    return Brotli


class Compressing:
    """The stream that compresses one answer."""

    keeps_length = False

    def __init__(self, compressor: Compressor, flushes: bool) -> None:
        self._compressor = compressor
        self._flushes = flushes
        """Whether each piece must reach the client at once: an event is of no use when it waits for the next one."""

    def feed(self, data: bytes) -> bytes:
        """Compress a piece."""
        ready = self._compressor.compress(data)
        return ready + self._compressor.flush() if self._flushes else ready

    def end(self) -> bytes:
        """What is left."""
        return self._compressor.finish()


class CompressionFilter(Filter[Compression]):
    """Compresses what clients can read compressed."""

    Spec = Compression

    def __init__(self, spec: Compression, build: Build) -> None:
        super().__init__(spec, build)
        makers: Mapping[str, Callable[[int], Compressor]] = {
            name: _brotli() if name == "br" else Gzip for name in spec.encodings
        }
        self._makers = makers
        self._wanted: dict[Request, str] = {}
        """What the client of a request under way can read; the request itself is changed for the service."""
        self._chosen: dict[Request, str] = {}
        """With which its answer is compressed."""
        self._compressed = build.metrics.compressed

    def decide(self, request: Request) -> Decision:
        """Always passes."""
        return None

    def commit(self, request: Request) -> None:
        """Remember what the client can read."""
        encoding = self._readable(request)
        if encoding:
            self._wanted[request] = encoding

    def _readable(self, request: Request) -> str:
        text = b",".join(request.all(b"accept-encoding"))
        if not text or (b"cookie" in request.fields and not self.spec.cookies):
            return ""
        return preferred(text, self.spec.encodings)

    def on_response(self, request: Request, response: Response) -> None:
        """Say what the answer will be."""
        if response.status == 304:
            self._of_304(request, response)
            return
        if not self._may_be_compressed(request, response):
            return
        headers = response.headers
        encoding = self._wanted.get(request)
        if encoding is not None and len(self._chosen) < MAX_STREAMS:
            self._chosen[request] = encoding
            headers = [(name, _weak(value) if name == b"etag" else value) for name, value in headers]
            headers = [field for field in headers if field[0] not in _GONE]
            headers.append((b"content-encoding", encoding.encode("ascii")))
        response.replace_headers(_with_vary(headers))

    def _of_304(self, request: Request, response: Response) -> None:
        """The client keeps what it has, under the name that it would get now (RFC 9110 section 15.4.5)."""
        if self._wanted.get(request) and b"etag" in dict(response.headers):
            weak = [(name, _weak(value) if name == b"etag" else value) for name, value in response.headers]
            response.replace_headers(_with_vary(weak))

    def _may_be_compressed(self, request: Request, response: Response) -> bool:
        """Whether an answer like this one is compressed for whoever wants it."""
        headers = response.headers
        names = {name for name, _ in headers}
        if response.status not in _WHOLE or names & _DIGESTS or names & {b"content-encoding", b"content-range"}:
            return False
        if "no-transform" in directives(values(headers, b"cache-control")):
            return False
        length = _stated(headers) if request.method == "HEAD" else response.length
        if 0 <= length < self.spec.min_bytes:
            return False
        kind = next(iter(values(headers, b"content-type")), b"")
        return listed(kind, self.spec.types)

    def stream(self, request: Request, response: Response) -> Stream | None:
        """Compress the body, if the head has said so."""
        encoding = self._chosen.get(request)
        if encoding is None or response.status == 304:
            return None
        self._compressed.add(request.route.name, encoding)
        kind = next(iter(values(response.headers, b"content-type")), b"")
        return Compressing(self._makers[encoding](self.spec.level), kind.lower().startswith(b"text/event-stream"))

    def on_end(self, request: Request) -> None:
        """Forget it."""
        self._wanted.pop(request, None)
        self._chosen.pop(request, None)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What the client can read."""
        encoding = self._readable(request)
        if encoding:
            return f"on the answer: {encoding}, if its type is listed and it has {self.spec.min_bytes} bytes or more"
        if b"cookie" in request.fields and not self.spec.cookies:
            return "the answer stays as it is: the request has cookies"
        return f"the answer stays as it is: the client asks for none of {', '.join(self.spec.encodings)}"


_WHOLE: Final = frozenset((200, 201, 202, 203, 400, 401, 403, 404, 405, 409, 410, 422, 500, 502, 503, 504))
"""Answers with a body that somebody reads."""


def preferred(accepted: bytes, offered: tuple[str, ...]) -> str:
    """The offered encoding that the client likes best; "" when it likes the plain answer better, or none of them.

    Args:
        accepted: the value of Accept-Encoding.
        offered: in the order in which we like them.
    """
    return _preferred(accepted, offered) if len(accepted) <= 256 else ""


@lru_cache(maxsize=256)
def _preferred(accepted: bytes, offered: tuple[str, ...]) -> str:
    weights: dict[str, float] = {}
    for item in accepted.decode("latin-1").lower().split(","):
        coding, *parameters = (part.strip(" \t") for part in item.split(";"))
        weights.setdefault("gzip" if coding == "x-gzip" else coding, _weight(parameters))
    others = weights.get("*", 0.0)
    best = max(offered, key=lambda one: weights.get(one, others))
    weight = weights.get(best, others)
    return best if weight > 0 and weight >= weights.get("identity", 0.0) else ""


def _weight(parameters: list[str]) -> float:
    """RFC 9110 section 12.4.2; what is no weight counts as 0."""
    if not parameters:
        return 1.0
    name, _, value = parameters[0].partition("=")
    whole, _, fraction = value.partition(".")
    digits = (
        whole in ("0", "1") and len(fraction) <= 3 and (not fraction or (fraction.isascii() and fraction.isdigit()))
    )
    if name.strip(" \t") != "q" or not digits or len(parameters) > 1:
        return 0.0
    return min(float(value), 1.0)


def listed(kind: bytes, types: tuple[str, ...]) -> bool:
    """Whether a Content-Type is one of these; `text/*` stands for a kind, `application/*+json` for a suffix."""
    return _listed(kind, types) if len(kind) <= 256 else False


@lru_cache(maxsize=256)
def _listed(kind: bytes, types: tuple[str, ...]) -> bool:
    name = kind.partition(b";")[0].strip(b" \t").lower().decode("latin-1")
    for one in types:
        start, star, suffix = one.partition("*")
        if name == one or (star and name.startswith(start) and name.endswith(suffix) and len(name) > len(one) - 1):
            return True
    return False


def _weak(tag: bytes) -> bytes:
    return tag if tag.startswith(b"W/") else b"W/" + tag


def _with_vary(headers: Headers) -> Headers:
    names = vary(headers)
    return headers if names & {b"*", b"accept-encoding"} else [*headers, (b"vary", b"accept-encoding")]


def _stated(headers: Headers) -> int:
    stated = next(iter(values(headers, b"content-length")), b"")
    return int(stated) if stated.isdigit() and len(stated) < 16 else -1

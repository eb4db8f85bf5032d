"""What is said on both sides of the gateway, whatever the wire version.

The problem: filters, routing and clusters must not care whether a message came as HTTP/1.1 or, later, HTTP/2.
The rule: they see a Request and a Response; names of fields are lower-case bytes (RFC 9110 §5.1: names are
case-insensitive), values are bytes as received, and framing is one number that says how long the body is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gateway.http.identity import ClientCertificate

Headers = Sequence[tuple[bytes, bytes]]
"""Fields in their order. Messages share them (gateway.http.blocks): they are set anew, never changed in place."""
Rendered = tuple[Headers, bytes]
"""Fields, and the lines that go on to the other side as long as the message still has exactly these fields."""

NO_BODY: Final = 0
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
AS_STATED: Final = -3
"""Values of `length` besides a number of bytes: unknown but marked at its end; unknown until the connection ends;
and no body whatever the fields say (the answer to HEAD, 304)."""


class Bound(NamedTuple):
    """At most so many bytes (perhaps infinitely many), and the line that says so."""

    bytes: float
    where: str


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a request's body and its answer's may be."""

    request: Bound
    response: Bound


class Request:
    """One request as filters, router and cluster see it.

    `path` is canonical (see `gateway.http.path`): the same string is matched, authorised and forwarded.
    `claims` are None until a filter has verified a token; keys of limits come from nothing else.

    What most requests never change stands once on the class, not on every instance.
    """

    client: str = ""
    """The client's address as text, after trusted hops."""
    address: str = ""
    """Whose limit it is: the client's address, for IPv6 its /64 network."""
    scheme: str = "http"
    listener: str = ""
    target_scheme: str = ""
    """`http` or `https` where a forward proxy was given a whole address (RFC 9112 section 3.2.2)."""
    keep_alive: bool = True
    expects_continue: bool = False
    upgrade: bool = False
    """Whether it is a complete WebSocket handshake."""
    client_certificate: ClientCertificate | None = None
    """Verified in the TLS handshake."""
    claims: Mapping[str, Any] | None = None
    subject: str = ""
    cost: int = 1
    """What limits charge for it; a filter that knows better (what a GraphQL query will do) sets it before they run."""
    limits: tuple[tuple[Any, float, float], ...] = ()
    """What limits have to say to the client: terms, use, and when it ends (see gateway.filters.limit_terms)."""
    body_limits: BodyLimits | None = None
    """Set by a filter; the exchange counts."""
    route: Any = None
    """The compiled route (gateway.compile.snapshot.CompiledRoute), set by the exchange."""
    matched: str = ""
    """The part of the path that the route's PathPrefix matched, without a trailing slash."""
    rendered: Rendered | None = None
    body: bytes | None = None
    """The whole body, once a filter has asked for it (`Filter.body_limit`); else None: it streams past."""
    operations: tuple[tuple[str, str], ...] = ()
    """What a filter found it to ask for, as type and name: of few values, since metrics tell them apart."""
    documented: Any = None
    """The operation of an API's description that it is (gateway.filters.openapi_api), for whoever reads its answer."""
    onward: bytes = b""
    """A line with tokens for the calls of whoever gets this (gateway.filters.onward), written by us alone."""
    mediation: Any = None
    """What the filter that says the request in another style remembers until its answer comes back."""

    copies: tuple[Any, ...] = ()
    """Copies for other clusters (gateway.filters.mirror); the exchange tells them of its body."""

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        fields: Mapping[bytes, bytes],
        host: str,
        length: int = NO_BODY,
        version: str = "1.1",
    ) -> None:
        self.method = method
        self.path = path
        self.target_path = path
        """The path to forward; URLRewrite changes it, `path` stays what was matched and authorised."""
        self.target_method = method
        """The method to forward; mediation changes it, `method` stays what the client sent."""
        self.query = query
        self.headers = headers
        self.fields = fields
        self.host = host
        self.length = length
        self.version = version
        self.reply_headers: list[tuple[bytes, bytes]] = []
        """Added to whatever answer the client gets, from the gateway or from upstream."""

    def get(self, name: bytes) -> str | None:
        """The value of a field that may occur once, decoded as ISO-8859-1 (RFC 9110 §5.5)."""
        value = self.fields.get(name)
        return None if value is None else value.decode("latin-1")

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for field, value in self.headers if field == name]

    def replace_body(self, body: bytes) -> None:
        """Let another body go on; for filters that have asked for the whole one."""
        self.body = body
        self.length = len(body)

    def replace_headers(self, headers: Headers) -> None:
        """Set the fields anew, and the lookup with them."""
        self.headers = headers
        self.fields = dict(headers)

    def copy(self) -> Request:
        """Another request like this one; what is changed by assignment changes one of them only."""
        method, path, query, host = self.method, self.path, self.query, self.host
        other = Request(method, path, query, self.headers, self.fields, host, self.length, self.version)
        other.reply_headers = list(self.reply_headers)
        for name in _COPIED:
            setattr(other, name, getattr(self, name))
        return other

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.host}{self.path} length={self.length}>"


_COPIED: Final[tuple[str, ...]] = (
    *("target_path", "target_method", "target_scheme", "client", "address", "scheme", "listener", "keep_alive"),
    *("expects_continue", "upgrade", "client_certificate", "claims", "subject", "cost", "limits", "body_limits"),
    *("route", "matched", "rendered", "body", "operations", "documented", "onward", "mediation", "copies"),
)
"""What a request is not made with, and its copy has as well."""


class Response:
    """The head of an upstream's answer; the body follows in pieces."""

    __slots__ = ("fields", "headers", "keep_alive", "length", "rendered", "status")

    def __init__(
        self, status: int, headers: Headers, fields: Mapping[bytes, bytes], length: int, keep_alive: bool
    ) -> None:
        self.status = status
        self.headers = headers
        self.fields = fields
        self.length = length
        self.keep_alive = keep_alive
        self.rendered: Rendered | None = None

    def replace_headers(self, headers: Headers) -> None:
        """Set the fields anew, and the lookup with them."""
        self.headers = headers
        self.fields = dict(headers)

    def __repr__(self) -> str:
        return f"<Response {self.status} length={self.length}>"


class Flaw(NamedTuple):
    """One thing that is wrong with a message, and where; told as RFC 9457 section 3.1 shows it (`errors`)."""

    detail: str
    pointer: str = ""
    """Into the body: a JSON pointer, as a URI fragment."""
    parameter: str = ""
    where: str = ""
    """Of a parameter: path, query, header or cookie."""

    def members(self) -> dict[str, str]:
        """What there is to tell."""
        told = {"detail": self.detail, "pointer": self.pointer, "parameter": self.parameter, "in": self.where}
        return {name: value for name, value in told.items() if value}


@dataclass(frozen=True, slots=True)
class Reply:
    """A local reply: an answer that the gateway makes itself.

    `reason` is the stable code of `conventions`: clients and metrics see it. `headers` go out besides those
    that the renderer of the route's error style adds. `policy` is the `file:line` that decided, where it is not
    that of the filter which replies. `body` is a ready one, whose type stands in `headers`, for filters that answer
    with content instead of a refusal; an empty `reason` says that nothing was refused. `errors` are told to clients
    whose fault they are (4xx), and to nobody else.
    """

    status: int
    reason: str
    detail: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    problem_type: str = ""
    title: str = ""
    policy: str = ""
    body: bytes | None = None
    errors: tuple[Flaw, ...] = ()


class Refused(Exception):
    """The peer broke the protocol: what it gets for it, and why (h11 calls this a RemoteProtocolError).

    Args:
        reply: the answer; the connection is closed after it, since its framing is in doubt.
    """

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(f"{status} {reason}: {detail}")
        self.reply = Reply(status, reason, detail)

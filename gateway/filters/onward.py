"""Tokens for the calls that a service makes in turn: its sidecar has them, and the service has not.

The problem: the storefront asks orders and profiles in the user's name. A token that all three accept is good in three
places for whoever takes it from one of them. The rule: the gateway makes a token for each of them (`onward` of
InternalToken) and sends them along. The storefront's sidecar keeps the others and lets the storefront's own through;
when a call leaves with that one, the token of the service that is called takes its place, and no other. Nobody inside
signs anything, and no call waits for an exchange (RFC 8693 has the same result, by asking an issuer for each token).

The line `x-gatehouse-onward: until=SECONDS, SERVICE=TOKEN, …` is believed of the gateway's identity alone, and no
client can write it (`gateway.http.hop`). What is kept is forgotten when the tokens end, and bounded in number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.conditions import principals_of
from gateway.filters.onward_tokens import HEADER
from gateway.http.messages import Reply, Request
from gateway.spec.fields import Name
from gateway.spec.models import FilterSpec


class KeepOnwardSpec(FilterSpec):
    """Of a sidecar's inbound side."""

    type: Literal["KeepOnwardTokens"] = "KeepOnwardTokens"
    issuer: str
    """The identity (SPIFFE ID) that is believed."""


class KeepOnwardTokens(Filter[KeepOnwardSpec]):
    """Keeps what the gateway sent along for others. The line itself never goes on (`gateway.http.hop`)."""

    Spec = KeepOnwardSpec

    def __init__(self, spec: KeepOnwardSpec, build: Build) -> None:
        super().__init__(spec, build)
        self._onward = build.onward
        self._wall: Callable[[], float] = build.wall

    def decide(self, request: Request) -> Decision:
        """Everybody may pass: others have decided."""
        return None

    def commit(self, request: Request) -> None:
        """Remember it."""
        line, authorization = request.fields.get(HEADER), request.fields.get(b"authorization")
        if line is not None and authorization is not None and self.spec.issuer in principals_of(request):
            self._onward.keep(authorization, line, self._wall())

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is done, without a token."""
        return "keeps the tokens that the gateway sends along for calls of this service"


class UseOnwardSpec(FilterSpec):
    """Of a sidecar's outbound side."""

    type: Literal["UseOnwardToken"] = "UseOnwardToken"
    service: Name
    """Who is called."""


class UseOnwardToken(Filter[UseOnwardSpec]):
    """Says the token for the service that is called in place of the caller's own."""

    Spec = UseOnwardSpec

    def __init__(self, spec: UseOnwardSpec, build: Build) -> None:
        super().__init__(spec, build)
        self._onward = build.onward
        self._wall: Callable[[], float] = build.wall
        self._service = spec.service.encode("ascii")

    def decide(self, request: Request) -> Decision:
        """A token that the service has of itself goes on as it is; one from the gateway goes to nobody."""
        authorization = request.fields.get(b"authorization")
        if authorization is not None and (kept := self._onward.take(authorization, self._wall())) is not None:
            others = [field for field in request.headers if field[0] != b"authorization"]
            fitting = kept.get(self._service)
            request.replace_headers(others if fitting is None else [*others, (b"authorization", fitting)])
        return None

    def explain(self, request: Request, reply: Reply | None) -> str:
        """What would go out, without a token."""
        return f"a user's token is exchanged for the one that the gateway made for {self.spec.service}"

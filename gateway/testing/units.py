"""A filter and a request without a gateway around them: for what a filter decides by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from gateway.filters.base import Build, Filter
from gateway.http.heads import read_request
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.testing.clock import Clock

F = TypeVar("F", bound=Filter[Any])


def make_request(
    method: str = "GET",
    target: str = "/",
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = None,
    claims: Mapping[str, Any] | None = None,
    client: str = "192.0.2.1",
) -> Request:
    """A request as a filter gets it, read by the gateway's own parser.

    Args:
        body: as a filter with `body_limit` gets it.
        claims: as a filter before this one has verified them.

    Raises:
        Refused: the gateway would not have read it.
    """
    fields = {"Host": "gateway.test", **(headers or {})}
    if body is not None:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    request = read_request(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    request.client = request.address = client
    request.claims, request.body = claims, body
    request.subject = str((claims or {}).get("sub", ""))
    return request


def make_filter(kind: type[F], clock: Callable[[], float] | None = None, build: Build | None = None, **keys: Any) -> F:
    """A filter of this class with these keys, under the names that they have in Python or in files.

    Raises:
        pydantic.ValidationError: its model does not take them.
    """
    ticking = clock or Clock()
    spec = kind.Spec.model_validate({"where": "test.yaml:1", **keys})
    made = kind.make(spec, build or Build({}, Metrics(), ticking, ticking, route="test"))
    assert isinstance(made, kind)
    return made

"""RequestHeaderModifier and ResponseHeaderModifier (Gateway API HTTPHeaderFilter).

The problem: set, add and remove in one filter need an order. The rule, the Gateway API's: first remove, then set,
then add; names compare without case. Fields that frame a message or name the peer cannot be touched.
"""

from __future__ import annotations

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Headers, Request, Response
from gateway.spec.filters import HeaderModifier, RequestHeaderModifier, ResponseHeaderModifier


class _Modifier:
    def __init__(self, spec: HeaderModifier) -> None:
        self._set = [(one.name.encode(), one.value.encode("latin-1")) for one in spec.set]
        self._add = [(one.name.encode(), one.value.encode("latin-1")) for one in spec.add]
        self._gone = frozenset(name.encode() for name in spec.remove) | {name for name, _ in self._set}

    def apply(self, headers: Headers) -> Headers:
        return [*(field for field in headers if field[0] not in self._gone), *self._set, *self._add]


def _words(spec: HeaderModifier) -> str:
    parts = [f"set {one.name}" for one in spec.set] + [f"add {one.name}" for one in spec.add]
    return ", ".join(parts + [f"remove {name}" for name in spec.remove])


class RequestHeaderModifierFilter(Filter[RequestHeaderModifier]):
    """Changes what the upstream receives."""

    Spec = RequestHeaderModifier

    def __init__(self, spec: RequestHeaderModifier, build: Build) -> None:
        super().__init__(spec, build)
        self._modifier = _Modifier(spec)

    def decide(self, request: Request) -> Decision:
        """Always passes."""
        request.replace_headers(self._modifier.apply(request.headers))
        return None

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is changed."""
        return _words(self.spec)


class ResponseHeaderModifierFilter(Filter[ResponseHeaderModifier]):
    """Changes what the client receives from upstream."""

    Spec = ResponseHeaderModifier

    def __init__(self, spec: ResponseHeaderModifier, build: Build) -> None:
        super().__init__(spec, build)
        self._modifier = _Modifier(spec)

    def decide(self, request: Request) -> Decision:
        """Always passes."""
        return None

    def on_response(self, request: Request, response: Response) -> None:
        """Change the answer's fields."""
        response.headers = self._modifier.apply(response.headers)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What will be changed."""
        return "on the answer: " + _words(self.spec)

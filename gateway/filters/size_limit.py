"""SizeLimit: how large the bodies of a route's requests and answers may be.

The problem: one limit for a whole listener must be as wide as the widest upload, and an answer has none at all: a query
without a filter can carry the whole table away. The rule: a stated length is judged before anything is sent on; where
none is stated, the exchange counts the bytes as they pass (`body_limits` of the request), and ends it when there are
too many.
"""

from __future__ import annotations

import math

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import BodyLimits, Bound, Reply, Request
from gateway.spec.filters import SizeLimit


class SizeLimitFilter(Filter[SizeLimit]):
    """413 for a request that says it is too large; the exchange is told what else to look at."""

    Spec = SizeLimit

    def __init__(self, spec: SizeLimit, build: Build) -> None:
        super().__init__(spec, build)
        self._most_request = math.inf if spec.max_request_bytes is None else spec.max_request_bytes
        self._most_response = math.inf if spec.max_response_bytes is None else spec.max_response_bytes

    def decide(self, request: Request) -> Decision:
        """Pass, or 413."""
        if request.length > self._most_request:
            return Reply(413, "body_too_large", f"at most {self._most_request} bytes on this route")
        own = BodyLimits(Bound(self._most_request, self.where), Bound(self._most_response, self.where))
        before = request.body_limits
        request.body_limits = own if before is None else _both(before, own)
        return None

    def explain(self, request: Request, reply: Verdict) -> str:
        """What holds, and what is not known before the body comes."""
        spec, told = self.spec, []
        if spec.max_request_bytes is not None:
            told.append(f"request at most {spec.max_request_bytes} bytes")
        if spec.max_response_bytes is not None:
            told.append(f"answer at most {spec.max_response_bytes} bytes")
        return ", ".join(told)


def _both(one: BodyLimits, other: BodyLimits) -> BodyLimits:
    """The narrower of each, with its line."""
    return BodyLimits(min(one.request, other.request), min(one.response, other.response))

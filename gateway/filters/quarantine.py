"""Quarantine: a third party gets nothing, and nothing of it comes in.

The problem: a third party that turned hostile must be shut out in seconds, by whoever notices it, and an edit of a
configuration in a hurry breaks something else. The rule: control puts this filter in front of every route that leads to
the third party, and of those by which it sends (gateway.control.quarantine). 503, and not
403: what it sends meanwhile (a webhook) it may send again later, and whoever asks for it may try again.
"""

from __future__ import annotations

from typing import Literal

from gateway.filters.base import Build, Decision, Filter
from gateway.http.messages import Reply, Request
from gateway.spec.models import FilterSpec


class QuarantineSpec(FilterSpec):
    """Which third party, and what people are told of it."""

    type: Literal["Quarantine"] = "Quarantine"
    third_party: str
    why: str = ""


class QuarantineFilter(Filter[QuarantineSpec]):
    """Lets nothing pass."""

    Spec = QuarantineSpec

    def __init__(self, spec: QuarantineSpec, build: Build) -> None:
        super().__init__(spec, build)
        self._reply = Reply(
            503, "egress_quarantined", f"{spec.third_party} is in quarantine: nothing goes there or comes from there"
        )

    def decide(self, request: Request) -> Decision:
        """503."""
        return self._reply

    def explain(self, request: Request, reply: Reply | None) -> str:
        """Why."""
        why = f": {self.spec.why}" if self.spec.why else ""
        return f"{self.spec.third_party} is in quarantine{why}"

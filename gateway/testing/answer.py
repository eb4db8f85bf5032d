"""What a client got, and why: an answer that can be asked who decided it.

The problem: `assert status == 200` fails with `403 != 200`, which tells nobody why. The rule: an assertion about an
answer fails with what the gateway's filters saw, line by line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.message import Message
from typing import Any, Protocol


class Told(Protocol):
    """Who knows what happened (gateway.testing.gateway.Gateway)."""

    def record(self, request_id: str) -> Mapping[str, Any]:
        """The access-log record of a request; empty when there is none."""

    def explanation(self, request_id: str) -> Mapping[str, Any]:
        """Why it was refused; empty when it was not."""


class Answer:
    """One answer of the gateway."""

    def __init__(self, status: int, headers: Message, body: bytes, told: Told) -> None:
        self.status = status
        self.headers = headers
        """By name, without regard to case; `headers.get_all(name)` for repeated ones."""
        self.body = body
        self._told = told

    def __repr__(self) -> str:
        return f"<Answer {self.status} {self.reason or 'from ' + (self.cluster or 'the gateway')}>"

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)

    # -- who decided -----------------------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """Why the gateway answered by itself (docs/problems.md), whatever the style; "" when it did not."""
        return str(self._record.get("reason", ""))

    @property
    def route(self) -> str:
        """The route that served it; "" when none did."""
        return str(self._record.get("route", ""))

    @property
    def policy(self) -> str:
        """`file:line` of the policy that decided; "" when none did."""
        return str(self._record.get("policy", ""))

    @property
    def cluster(self) -> str:
        """The cluster whose service answered; "" when the gateway did."""
        return "" if self.reason else str(self._record.get("upstream_cluster", ""))

    @property
    def explanation(self) -> Mapping[str, Any]:
        """What `gateway explain --trace` would tell of a refused request; empty for one that was served."""
        return self._told.explanation(self._request_id)

    def why(self) -> str:
        """How the gateway came to this answer, a line for each filter that ran."""
        told = self.explanation
        lines = [f"{self.status}, reason {self.reason}" if self.reason else f"{self.status} from {self.cluster}"]
        lines += [f"route {self.route}" if self.route else "no route"]
        for number, step in enumerate(told.get("steps", ()), 1):
            lines.append(f"{number} {step['filter']} ({step['where']}) {step['verdict']}: {step['detail']}")
        return "\n".join([*lines, *([str(told["detail"])] if told.get("detail") else []), self.text[:2_000]])

    # -- assertions ------------------------------------------------------------------------------------------

    def assert_passed(self, status: int | None = None) -> Answer:
        """It came from the service, with this status if one is given.

        Raises:
            AssertionError: the gateway answered by itself, or the status is another one; with the explanation.
        """
        __tracebackhide__ = True
        if self.reason or not self.cluster or status not in (None, self.status):
            raise AssertionError(f"expected {status or 'an answer'} from the service, got {self.why()}")
        return self

    def assert_refused(self, reason: str, status: int | None = None) -> Answer:
        """The gateway refused it for this reason, with this status if one is given.

        Raises:
            AssertionError: it passed, or the reason or status is another one; with the explanation.
        """
        __tracebackhide__ = True
        if self.reason != reason or status not in (None, self.status):
            raise AssertionError(f"expected a refusal, {f'{status}, ' if status else ''}{reason}; got {self.why()}")
        return self

    @property
    def _request_id(self) -> str:
        return str(self.headers.get("x-request-id", ""))

    @property
    def _record(self) -> Mapping[str, Any]:
        return self._told.record(self._request_id)

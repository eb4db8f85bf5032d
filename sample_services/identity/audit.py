"""What security staff read afterwards: one log line and one count per event.

The problem: after an attack the question is who did what when, and the usual log does not say. The rule: every
decision about credentials is an `audit` line with subject, client and outcome; never a password, token or code,
nor a username that nobody has (people type passwords into the wrong field: OWASP Logging Cheat Sheet).
"""

from __future__ import annotations

import logging
from typing import Literal

from prometheus_client import Counter

from sample_services.kit.metrics import Metrics

Event = Literal[
    "login_succeeded",
    "login_failed",
    "client_authentication_failed",
    "token_issued",
    "token_refreshed",
    "token_revoked",
    "refresh_refused",
    "refresh_token_reused",
    "sessions_ended",
    "password_changed",
    "user_created",
    "credential_reset_started",
    "credential_reset_completed",
    "key_rotated",
]


class Audit:
    """Writes audit lines to the logger `audit`."""

    def __init__(self, metrics: Metrics) -> None:
        self._log = logging.getLogger("audit")
        self._events = Counter("identity_events", "Decisions about credentials.", ("event",), registry=metrics.registry)

    def note(self, event: Event, *, subject: str = "", client: str = "", **more: str | int) -> None:
        """Record one event; `more` are further fields of the line."""
        self._events.labels(event).inc()
        level = logging.WARNING if event == "refresh_token_reused" else logging.INFO
        self._log.log(level, event, extra={"subject": subject, "client_id": client, **more})

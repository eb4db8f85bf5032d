"""Structured logs: one JSON object a line, on stderr.

The problem: a log line is read by people and programs who believe it, and it quotes strangers. The rule: control
characters are escaped, so nobody can forge a line or drive a terminal (CWE-117); fields with a secret's name are
masked even when the code that logs them forgot; every line names its trace.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

from opentelemetry import trace

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_SECRET_WORDS = ("password", "secret", "authorization", "cookie", "access_token", "refresh_token")
_MAX_TEXT = 8_192


class JsonFormatter(logging.Formatter):
    """Formats a record with its `extra` fields as one line of JSON."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._origin = {"service": service, "instance": instance}

    def format(self, record: logging.LogRecord) -> str:
        """The line; never raises for odd values: what JSON cannot hold is written as its repr."""
        line: dict[str, Any] = {
            "time": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:_MAX_TEXT],
            **self._origin,
            **_trace_fields(),
        }
        line.update((key, _masked(key, value)) for key, value in vars(record).items() if key not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)[-_MAX_TEXT:]
        # ensure_ascii escapes everything outside of printable ASCII: C0, DEL, C1, bidirectional controls.
        return json.dumps(line, default=repr, ensure_ascii=True)


def configure_logging(service: str, instance: str, level: int = logging.INFO) -> logging.Logger:
    """Send all logs of this process to stderr as JSON; returns the service's own logger."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(service, instance))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # The span exporter counts its failures in a metric; one warning per lost span would drown everything.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return logging.getLogger(service)


def _timestamp(seconds: float) -> str:
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds % 1 * 1000):03d}Z"


def _trace_fields() -> dict[str, str]:
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _masked(key: str, value: Any) -> Any:
    if any(word in key.lower() for word in _SECRET_WORDS):
        return "[masked]"
    return value[:_MAX_TEXT] if isinstance(value, str) else value

"""The log's form: one line, nothing forged, nothing secret."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from sample_services.kit.logs import JsonFormatter


def line(message: str, *args: object, exc_info: Any = None, **extra: object) -> str:
    record = logging.LogRecord("orders", logging.INFO, "f", 1, message, args, exc_info)
    record.created = 1_700_000_000.25
    vars(record).update(extra)
    return JsonFormatter("orders", "orders-1").format(record)


def test_fields() -> None:
    assert json.loads(line("order %s created", 7, order_id=7)) == {
        "time": "2023-11-14T22:13:20.250Z",
        "level": "info",
        "logger": "orders",
        "message": "order 7 created",
        "service": "orders",
        "instance": "orders-1",
        "order_id": 7,
    }


def test_no_character_can_start_a_line_or_drive_a_terminal() -> None:
    evil = "a\n{}\r\x00\x1b[2J\x7f\x9b\u2028\u202e"
    text = line(evil, note=evil)
    assert all(" " <= character < "\x7f" for character in text)
    assert json.loads(text)["note"] == evil


def test_secrets_are_masked_by_name() -> None:
    parsed = json.loads(line("x", password="p", Authorization="Bearer t", new_client_secret="s", refresh_token="r"))
    assert {parsed[k] for k in ("password", "Authorization", "new_client_secret", "refresh_token")} == {"[masked]"}


def test_exceptions_and_odd_values_stay_on_the_line() -> None:
    try:
        raise ValueError("one\ntwo")
    except ValueError:
        text = line(
            "failed",
            exc_info=sys.exc_info(),
            odd={
                1,
            },
            long="x" * 10_000,
        )
    parsed = json.loads(text)
    assert "\n" not in text
    assert parsed["exception"].endswith("ValueError: one\ntwo")
    assert parsed["odd"] == "{1}"
    assert len(parsed["long"]) == 8_192

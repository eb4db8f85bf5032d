"""Inputs that a coverage-guided run found worth keeping: each reaches code that the others do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fuzz.targets import exchange, heads
from gateway.http.messages import Request

CORPUS = Path(__file__).parent.parent.parent / "fuzz" / "corpus"
FILES = {name: sorted((CORPUS / name).iterdir()) for name in ("heads", "exchange")}


@pytest.mark.parametrize(("name", "target"), [("heads", heads), ("exchange", exchange)])
def test_nothing_is_raised_and_nothing_left(name: str, target: Callable[[bytes], None]) -> None:
    assert len(FILES[name]) >= 20
    for path in FILES[name]:
        target(path.read_bytes())


def test_the_target_notices_when_reading_and_writing_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(request: Request, host: str, extra: bytes) -> bytes:
        return b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n"

    monkeypatch.setattr("fuzz.targets.upstream_head", wrong)
    with pytest.raises(AssertionError):
        heads(b"\x00GET /a HTTP/1.1\r\nHost: a\r\n\r\n")


def test_the_target_notices_an_exception_in_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.roles.worker.Worker.finished", fails)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        exchange(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n")

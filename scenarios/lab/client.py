"""Requests of attackers and of honest people, each kept as evidence.

The problem: "it was refused" is a claim; a status, a reason, the line that decided and a trace are evidence. The rule:
whatever is sent is written down with what came back, secrets cut out. Nothing is sent to anything but loopback, and no
redirect is followed.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.call import trace_id_of
from gateway.cli.console import Misuse
from gateway.cli.wire import Answer, send

MAX_EVIDENCE = 200
"""Requests of one run that are kept; the others are counted."""


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it."""

    who: str
    request: str
    status: int
    reason: str
    policy: str
    trace_id: str
    excerpt: str

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Client:
    """Sends, and keeps what it saw."""

    def __init__(self, base_url: str, via: str | None = None) -> None:
        """`via` is an intercepting proxy on this machine, which sees everything in clear."""
        for url in filter(None, (base_url, via)):
            check_loopback(url)
        self.base_url, self.via = base_url, via
        self.seen: list[Exchange] = []
        self.sent = 0

    def send(
        self,
        who: str,
        method: str,
        target: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        base_url: str = "",
    ) -> Answer:
        """One request; the answer whatever its status."""
        base = base_url or self.base_url
        check_loopback(base)
        path = f"{base}{target}" if self.via else target
        answer = send(self.via or base, method, path, headers=headers, body=body)
        self.sent += 1
        if len(self.seen) < MAX_EVIDENCE:
            self.seen.append(_evidence(who, f"{method} {target}", answer))
        return answer


def check_loopback(url: str) -> None:
    """Refuse to attack anything but this machine.

    Raises:
        Misuse: the address is another one.
    """
    host = urlsplit(url).hostname or ""
    try:
        good = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        good = False
    if not good:
        raise Misuse(f"The lab attacks this machine's loopback only, not {host!r}.")


def _evidence(who: str, request: str, answer: Answer) -> Exchange:
    problem = answer.json()
    told: dict[str, Any] = problem if isinstance(problem, dict) else {}
    if isinstance(told.get("errors"), list) and told["errors"]:
        told = told["errors"][0].get("extensions", {}) if isinstance(told["errors"][0], dict) else {}
    return Exchange(
        who=who,
        request=request,
        status=answer.status,
        reason=str(told.get("reason", "")),
        policy=str(told.get("policy", "")),
        trace_id=trace_id_of(answer),
        excerpt=answer.body[:160].decode("utf-8", "replace"),
    )


def as_json(value: Any) -> bytes:
    """A body."""
    return json.dumps(value).encode()

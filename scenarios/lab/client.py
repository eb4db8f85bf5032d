"""Requests of attackers and of honest people, each kept as evidence.

The problem: "it was refused" is a claim; a status, a reason, the line that decided and a trace are evidence. The rule:
whatever is sent is written down with what came back, secrets cut out. Nothing is sent to anything but loopback, and no
redirect is followed.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from gateway.cli.call import trace_id_of
from gateway.cli.console import Failure, Misuse
from gateway.cli.wire import Answer, send
from scenarios.lab.local import is_local
from scenarios.lab.watching import Watcher

MAX_EVIDENCE = 200
"""Requests of one run that are kept; the others are counted."""
RAW_TIMEOUT_S = 10.0
MAX_RAW = 1_048_576
MAX_SHOWN = 60
"""Characters of a request's method and target."""


@dataclass(frozen=True)
class Exchange:
    """One request and what came of it."""

    who: str
    request: str
    status: int
    reason: str
    policy: str
    """The line of the gateway that decided; empty when none did, or another did."""
    local: bool
    """Whether the gateway answered by itself."""
    trace_id: str
    excerpt: str
    by: str = ""
    """Who decided, where no policy of the gateway says it."""
    at: str = ""
    """Whom it was sent to: `gateway`, or a service past it; empty: something of the lab's own."""

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


class Client:
    """Sends, and keeps what it saw."""

    def __init__(self, base_url: str, via: str | None = None, names: Mapping[str, str] = MappingProxyType({})) -> None:
        """`via` is an intercepting proxy on this machine, which sees everything in clear; `names` is whom an address
        belongs to."""
        for url in filter(None, (base_url, via)):
            check_loopback(url)
        self.base_url, self.via, self.names = base_url, via, names
        self.watcher: Watcher | None = None
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
        source: str = "",
    ) -> Answer:
        """One request; the answer whatever its status. `source` is the address that it comes from."""
        base = base_url or self.base_url
        check_loopback(base)
        path = f"{base}{target}" if self.via else target
        self.sent += 1
        if self.watcher:
            self.watcher.before(who, _shown(f"{method} {target}"))
        try:
            answer = send(self.via or base, method, path, headers=headers, body=body, source=source)
        except Failure as failure:
            self._keep(Exchange(who, _shown(f"{method} {target}"), 0, "no answer", "", True, "", str(failure)))
            raise
        self._keep(_evidence(who, f"{method} {target}", answer, self.names.get(base, "")))
        return answer

    def send_raw(self, who: str, said: str, data: bytes, base_url: str) -> Answer:
        """Bytes that no HTTP library would send, past `via`; `said` is what they are called in the evidence."""
        check_loopback(base_url)
        if self.watcher:
            self.watcher.before(who, said)
        where = urlsplit(base_url)
        with socket.create_connection((where.hostname, where.port), timeout=RAW_TIMEOUT_S) as connection:
            connection.sendall(data)
            came = http.client.HTTPResponse(connection)
            came.begin()
            answer = Answer(came.status, came.reason, tuple(came.getheaders()), came.read(MAX_RAW))
        self.sent += 1
        self._keep(_evidence(who, said, answer, self.names.get(base_url, "")))
        return answer

    def note(self, one: Exchange) -> None:
        """Keep evidence of what was tried in other ways."""
        self.sent += 1
        self._keep(one)

    def _keep(self, evidence: Exchange) -> None:
        if self.watcher:
            self.watcher.after(evidence)
        if len(self.seen) < MAX_EVIDENCE:
            self.seen.append(evidence)


def check_loopback(url: str) -> None:
    """Refuse to attack anything but this machine.

    Raises:
        Misuse: the address is another one.
    """
    where = urlsplit(url)
    if not is_local(where.netloc.rpartition("@")[2]):
        raise Misuse(f"The lab attacks this machine's loopback only, not {where.hostname or ''!r}.")


def _evidence(who: str, request: str, answer: Answer, at: str) -> Exchange:
    told = _problem(answer)
    return Exchange(
        who=who,
        request=_shown(request),
        status=answer.status,
        reason=str(told.get("reason", "")),
        policy=str(told.get("policy", "")),
        local=str(told.get("type", "")).startswith("urn:gatehouse:") or "policy" in told,
        trace_id=trace_id_of(answer),
        excerpt=answer.body[:160].decode("utf-8", "replace"),
        at=at,
    )


def _shown(request: str) -> str:
    return request if len(request) <= MAX_SHOWN else f"{request[:MAX_SHOWN]}… ({len(request)} characters)"


def _problem(answer: Answer) -> dict[str, Any]:
    """What an error says of itself, in whichever of the shop's three forms."""
    if answer.body.startswith((b"<", b"\xef\xbb\xbf<")):
        found = re.findall(rb"<(?:\w+:)?(reason|policy)>([^<]{1,200})<", answer.body[:16_384])
        return {name.decode(): text.decode("utf-8", "replace") for name, text in found}
    told = answer.json()
    if isinstance(told, dict) and "reason" not in told and isinstance(told.get("errors"), list) and told["errors"]:
        first = told["errors"][0]
        told = first.get("extensions", {}) if isinstance(first, dict) else {}
    return told if isinstance(told, dict) else {}


def as_json(value: Any) -> bytes:
    """A body."""
    return json.dumps(value).encode()

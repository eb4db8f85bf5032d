"""One-time tokens: how a process that has just been started proves who it is to be.

The problem: a process without a certificate cannot prove anything, and whatever lies in a file or in the environment
is there for others to read. The rule: whoever starts it (the supervisor) signs its identity, good once and for a
minute, and hands it over on the inherited pipe. The authority has the same key and remembers what was used.
"""

from __future__ import annotations

import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final, NamedTuple

GOOD_FOR: Final = 60.0
"""Seconds."""
LONGEST: Final = 1_024


class Claim(NamedTuple):
    """What a token says."""

    identity: str
    holder: str
    """Which process of that identity, by its name: what an earlier one of this name held, nobody holds any more."""
    number: str
    """Its own: a token is good once."""
    expires: float
    """Seconds since the epoch."""


class BadToken(Exception):
    """It is none of ours, or it is too late; `reason` says which."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def mint(key: bytes, identity: str, holder: str, now: float) -> str:
    """A token for one start of one process."""
    claim = Claim(identity, holder, secrets.token_hex(16), now + GOOD_FOR)
    said = json.dumps(claim._asdict()).encode()
    return f"{_text(said)}.{_text(_signature(key, said))}"


def check(key: bytes, token: str, now: float) -> Claim:
    """What a token says, if it is one of ours.

    Raises:
        BadToken: `token_invalid` or `token_expired`.
    """
    said, _, signature = token[:LONGEST].partition(".")
    try:
        content = urlsafe_b64decode(said)
        good = hmac.compare_digest(urlsafe_b64decode(signature), _signature(key, content))
    except ValueError:
        good = False
    if not good:
        raise BadToken("token_invalid")
    claim = Claim(**json.loads(content))
    if now >= claim.expires:
        raise BadToken("token_expired")
    return claim


def _signature(key: bytes, said: bytes) -> bytes:
    return hmac.digest(key, said, sha256)


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()

"""Signing webhooks that we send, as Standard Webhooks 1.0.0 has it.

The problem: whoever gets a webhook must know that we sent it, just now, and must recognise one that comes twice. The
rule: an id that stays the same however often we try, the time of this attempt, and HMAC-SHA256 over both and the body
*as it is sent*: sign bytes, not a document that somebody will write down again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"


def new_webhook_secret() -> str:
    """A fresh secret of 256 bits, as both sides keep it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def sign_webhook(message_id: str, body: bytes, keys: Sequence[str], now: float) -> dict[str, str]:
    """The headers of one attempt.

    Args:
        message_id: the same for every attempt at this message; visible ASCII without full stops.
        keys: the secrets, `whsec_…`; several while one replaces another.
        now: seconds since 1970.

    Raises:
        ValueError: an id that could be read in two ways, or a secret that is none; its text is not repeated.
    """
    if not message_id or "." in message_id or not message_id.isascii() or not message_id.isprintable():
        raise ValueError("the id of a webhook is visible ASCII without full stops")
    timestamp = str(int(now))
    content = f"{message_id}.{timestamp}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(_key(one), content, hashlib.sha256)).decode("ascii") for one in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{one}" for one in signatures),
    }


def _key(secret: str) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except (binascii.Error, ValueError):
        key = b""
    if not 24 <= len(key) <= 64:
        raise ValueError("a secret is whsec_ and 24 to 64 bytes in base64")
    return key

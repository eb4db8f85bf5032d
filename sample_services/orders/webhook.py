"""Whether a webhook is the provider's own, and of this moment (Standard Webhooks 1.0.0).

The gateway can check the same (filter WebhookSignature); a service that takes money's word for it checks again. The
signature is over the bytes as they came, compared in constant time; the age of an attempt is bounded, so that what
somebody has recorded is worth nothing later. That one counts once is the database's to say (paying.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Final

from multidict import CIMultiDict, CIMultiDictProxy

from sample_services.kit.problems import Problem
from sample_services.kit.webhooks import sign_webhook

TOLERANCE_S: Final = 300.0
MAX_SIGNATURES: Final = 20
MAX_ID: Final = 256


Headers = CIMultiDict[str] | CIMultiDictProxy[str]


def verify(headers: Headers, body: bytes, secrets: Sequence[str], clock: Callable[[], float]) -> str:
    """The webhook's id.

    Raises:
        Problem: 401 `webhook_signature_missing`, `webhook_malformed`, `webhook_signature_invalid` or `webhook_expired`.
    """
    message, timestamp, signatures = (_one(headers, f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12 and len(message) <= MAX_ID):
        raise _refused("webhook_malformed", "an id is visible ASCII without full stops, a timestamp is in seconds")
    given = signatures.split(" ")[:MAX_SIGNATURES]
    try:
        expected = [sign_webhook(message, body, [one], float(timestamp))["webhook-signature"] for one in secrets]
    except ValueError:
        raise _refused("webhook_malformed", "an id is visible ASCII without full stops") from None
    fits = [hmac.compare_digest(one.encode(), other.encode("utf-8", "replace")) for one in expected for other in given]
    if not any(fits):
        raise _refused("webhook_signature_invalid", "no signature fits the id, the time and the body as they came")
    if abs(clock() - int(timestamp)) > TOLERANCE_S:
        raise _refused("webhook_expired", "signed, but not now; sign each attempt anew")
    return message


def _one(headers: Headers, name: str) -> str:
    values = headers.getall(name, [])
    if not values:
        raise _refused("webhook_signature_missing", "send webhook-id, webhook-timestamp and webhook-signature")
    if len(values) > 1:
        raise _refused("webhook_malformed", "each of the three headers comes once")
    return values[0]


def _refused(reason: str, detail: str) -> Problem:
    return Problem(401, reason, detail, headers={"WWW-Authenticate": 'Webhook realm="orders"'})

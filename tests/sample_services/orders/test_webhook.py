"""Which webhooks are believed."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from sample_services.kit.problems import Problem
from sample_services.kit.webhooks import new_webhook_secret, sign_webhook
from sample_services.orders.webhook import TOLERANCE_S, verify

NOW = 1_767_600_000.0
SECRET, OTHER = new_webhook_secret(), new_webhook_secret()
BODY = b'{"type": "payment.paid"}'


def refused(headers: CIMultiDict[str], body: bytes = BODY, now: float = NOW) -> str:
    with pytest.raises(Problem) as caught:
        verify(headers, body, [SECRET], lambda: now)
    assert caught.value.status == 401
    return caught.value.reason


def signed(*secrets: str, message: str = "msg_1") -> CIMultiDict[str]:
    return CIMultiDict(sign_webhook(message, BODY, secrets or [SECRET], NOW))


def test_the_example_of_the_specification() -> None:
    """github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md: the same secret, id, time and body."""
    headers = CIMultiDict(
        {
            "Webhook-Id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "Webhook-Timestamp": "1614265330",
            "Webhook-Signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
    )
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert verify(headers, b'{"test": 2432232314}', [secret], lambda: 1614265330.0) == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_any_of_the_secrets_while_one_replaces_the_other() -> None:
    assert verify(signed(OTHER), BODY, [SECRET, OTHER], lambda: NOW) == "msg_1"
    assert verify(signed(OTHER, SECRET), BODY, [SECRET], lambda: NOW) == "msg_1"


def test_what_is_changed_is_refused() -> None:
    assert refused(signed(), BODY + b" ") == "webhook_signature_invalid"
    assert refused(signed(OTHER)) == "webhook_signature_invalid"
    for name, value in (("webhook-id", "msg_2"), ("webhook-timestamp", str(int(NOW) + 1))):
        headers = signed()
        headers[name] = value
        assert refused(headers) == "webhook_signature_invalid"


@pytest.mark.parametrize("away", [-TOLERANCE_S - 1, TOLERANCE_S + 1])
def test_what_is_not_of_now_is_refused(away: float) -> None:
    assert refused(signed(), now=NOW + away) == "webhook_expired"
    assert verify(signed(), BODY, [SECRET], lambda: NOW + away * 0.99) == "msg_1"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_each_header_comes_once(name: str) -> None:
    headers = signed()
    headers.add(name, headers[name])
    assert refused(headers) == "webhook_malformed"
    headers.popall(name)
    assert refused(headers) == "webhook_signature_missing"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", "a.b"),
        ("webhook-id", "é"),
        ("webhook-id", "x" * 257),
        ("webhook-timestamp", "+1"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "٣"),
        ("webhook-timestamp", "9" * 13),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(name: str, value: str) -> None:
    headers = signed()
    headers[name] = value
    assert refused(headers) == "webhook_malformed"

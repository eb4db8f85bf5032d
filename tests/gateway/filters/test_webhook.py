"""Signed webhooks: what passes, what does not, and what is remembered, in a worker and in a real Redis."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.base import Build
from gateway.filters.webhook import WebhookSignatureFilter
from gateway.http.heads import read_request
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics
from gateway.spec.models import Store as StoreSpec
from gateway.spec.webhooks import WebhookSignature, read_key
from gateway.upstream.redis_account import Account
from gateway.upstream.store import Store
from sample_services.kit.webhooks import new_webhook_secret, sign_webhook
from tests.gateway.redis_process import RedisProcess

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 24 byt").decode()
NOW = 1_000_000
BODY = b'{"test": 2432232314}'


def hook(
    identity: str = "msg_1",
    body: bytes = BODY,
    at: float = NOW,
    secret: str = SECRET,
    sent: bytes | None = None,
    **changes: str,
) -> Request:
    """A signed webhook, and what was changed on the way."""
    signed = hmac.digest(read_key(secret), f"{identity}.{int(at)}.".encode() + body, hashlib.sha256)
    fields = {
        "id": identity,
        "timestamp": str(int(at)),
        "signature": f"v1,{base64.b64encode(signed).decode()}",
        **changes,
    }
    lines = "".join(f"webhook-{name}: {value}\r\n" for name, value in fields.items() if value)
    request = read_request(f"POST /hooks HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
    request.body = body if sent is None else sent
    return request


@pytest.fixture
def make(build: Any) -> Callable[..., WebhookSignatureFilter]:
    def make(**spec: Any) -> WebhookSignatureFilter:
        told: dict[str, Any] = {"sender": "payments", "secrets": (SECRET,), **spec}
        return WebhookSignatureFilter(WebhookSignature(**told), build())

    return make


def reason(decision: Any) -> str:
    return decision.reason if isinstance(decision, Reply) else str(decision or "")


def test_the_example_of_the_specification(make: Any, clock: Any) -> None:
    clock.now = 1614265330.0
    request = hook("msg_p5jXN8AQM9LWM0D4loKWxJek", at=clock.now)
    assert request.get(b"webhook-signature") == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert make().decide(request) is None
    assert (request.subject, request.claims) == ("payments", {"sub": "payments"})


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (lambda: hook(), ""),
        (lambda: hook(secret=OTHER), "webhook_signature_invalid"),
        (lambda: hook(sent=BODY + b" "), "webhook_signature_invalid"),
        (lambda: hook(sent=b""), "webhook_signature_invalid"),
        (lambda: hook(id="msg_2"), "webhook_signature_invalid"),
        (lambda: hook(timestamp=str(NOW + 1)), "webhook_signature_invalid"),
        (lambda: hook(timestamp=f"0{NOW}"), "webhook_signature_invalid"),  # signed is the text, not the number
        (lambda: hook(signature="v1a,AAAA"), "webhook_malformed"),  # another algorithm is no signature of ours
        (lambda: hook(signature="v1,"), "webhook_signature_invalid"),
        (lambda: hook(signature=" ".join(["v1,AAAA"] * 21)), "webhook_malformed"),
        (lambda: hook(at=NOW - 300), ""),
        (lambda: hook(at=NOW - 301), "webhook_expired"),
        (lambda: hook(at=NOW + 300), ""),
        (lambda: hook(at=NOW + 301), "webhook_expired"),
        (lambda: hook(at=NOW - 301, secret=OTHER), "webhook_signature_invalid"),  # who has no secret learns nothing
        (lambda: hook(id=""), "webhook_signature_missing"),
        (lambda: hook(timestamp=""), "webhook_signature_missing"),
        (lambda: hook(signature=""), "webhook_signature_missing"),
        (lambda: hook(timestamp="-5"), "webhook_malformed"),
        (lambda: hook(timestamp="1e6"), "webhook_malformed"),
        (lambda: hook("a" * 257), "webhook_malformed"),
    ],
)
def test_what_passes(make: Any, request_: Any, expected: str) -> None:
    refused = make().decide(request_())
    assert reason(refused) == expected
    if refused is not None:
        assert refused.status == 401
        assert refused.headers[0][0] == b"www-authenticate"


def test_an_id_with_a_full_stop_could_be_read_in_two_ways(make: Any) -> None:
    assert reason(make().decide(hook(f"msg_1.{NOW}", b"{}"))) == "webhook_malformed"


def test_a_header_that_comes_twice_is_refused(make: Any) -> None:
    request = hook()
    request.replace_headers([*request.headers, (b"webhook-id", b"msg_2")])
    assert reason(make().decide(request)) == "webhook_malformed"


def test_secrets_change_without_a_gap(make: Any, tmp_path: Path, clock: Any) -> None:
    both = make(secrets=(OTHER, SECRET))
    assert both.decide(hook("a")) is None
    assert both.decide(hook("b", secret=OTHER)) is None
    file = tmp_path / "secrets"
    file.write_text(f"{SECRET}\n")
    file.chmod(0o600)
    by_file = make(secrets=(), secret_file=str(file))
    assert by_file.decide(hook("a")) is None
    file.write_text(f"{OTHER}\n")
    clock.now += 1
    assert by_file.decide(hook("b", secret=OTHER)) is None
    assert reason(by_file.decide(hook("c"))) == "webhook_signature_invalid"
    file.unlink()
    clock.now += 1
    assert by_file.decide(hook("d", secret=OTHER)) is None  # a file that is gone shuts nobody out


@given(st.text("abcXYZ_-09", min_size=1, max_size=40), st.binary(max_size=300), st.integers(0, 10**9))
def test_what_the_shops_services_sign_passes_and_nothing_that_was_changed(identity: str, body: bytes, now: int) -> None:
    secret = new_webhook_secret()
    fields = sign_webhook(identity, body, [OTHER, secret], float(now))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    one = WebhookSignatureFilter(
        WebhookSignature(sender="payments", secrets=(secret,)), Build({}, Metrics(), lambda: 0.0, lambda: float(now))
    )
    for sent, expected in ((body, ""), (body + b"x", "webhook_signature_invalid")):
        request = read_request(f"POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n".encode())
        request.body = sent
        assert reason(one.decide(request)) == expected


@pytest.mark.parametrize("identity", ["", "a.b", "a\r\nb", "ä"])
def test_the_shops_services_sign_no_other_id(identity: str) -> None:
    with pytest.raises(ValueError, match="the id of a webhook"):
        sign_webhook(identity, b"", [SECRET], 0.0)
    with pytest.raises(ValueError, match="a secret is whsec_"):
        sign_webhook("a", b"", ["secret"], 0.0)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secrets": ()}, "give either secrets"),
        ({"secrets": ("whsec_c2hvcnQ=",)}, "24 to 64 bytes"),
        ({"secrets": ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",)}, "a secret is whsec_"),
        ({"secrets": ("whsec_!",)}, "a secret is whsec_"),
        ({"remember_for": 599.0}, "at least twice the tolerance"),
        ({"secret_file": "/nowhere"}, "give either secrets"),
        ({"secrets": (), "secret_file": "/nowhere"}, "there is no file nowhere"),
    ],
)
def test_mistakes_are_told_without_the_secret(changes: dict[str, Any], expected: str) -> None:
    spec = WebhookSignature(**{"sender": "payments", "secrets": (SECRET,), **changes})
    told = " ".join(message for _, message in spec.mistakes())
    assert expected in told
    assert "MfKQ9" not in told + repr(spec)


def test_it_says_who_signed_and_no_secret(make: Any) -> None:
    one, request = make(), hook(at=NOW - 3)
    assert one.decide(request) is None
    assert one.explain(request, None) == "signed by payments, id msg_1, 3 s old"


# -- once


def passes(one: WebhookSignatureFilter, request: Request) -> str:
    """As a chain does it."""
    decision = one.decide(request)
    if decision is None:
        one.commit(request)
    return reason(decision)


def answered(one: WebhookSignatureFilter, request: Request, status: int | None) -> None:
    if status is not None:
        one.on_response(request, Response(status, [], {}, 0, True))
    one.on_end(request)


@pytest.mark.parametrize(("duplicates", "status"), [("refuse", 409), ("acknowledge", 204)])
def test_what_was_delivered_comes_once(make: Any, clock: Any, duplicates: str, status: int) -> None:
    one, first = make(duplicates=duplicates), hook()
    assert passes(one, first) == ""
    meanwhile = hook()
    refused = one.decide(meanwhile)
    assert (refused.status, refused.reason) == (409, "webhook_replayed")  # nobody knows yet how it ends
    answered(one, meanwhile, None)
    answered(one, first, 202)
    for _ in range(2):
        again = one.decide(hook())
        assert (again.status, again.reason) == (status, "webhook_replayed")
    assert passes(one, hook("msg_2")) == ""
    clock.now += 599
    assert reason(one.decide(hook(at=clock.now))) == "webhook_replayed"
    clock.now += 1
    assert passes(one, hook(at=clock.now)) == ""


@pytest.mark.parametrize("status", [None, 302, 400, 503])
def test_what_failed_may_come_again(make: Any, status: int | None) -> None:
    one = make()
    for _ in range(3):
        request = hook()
        assert passes(one, request) == ""
        answered(one, request, status)
    assert len(one.memory) == 0


def test_asking_takes_nothing(make: Any) -> None:
    one = make()
    for _ in range(2):
        request = hook()
        assert one.preview(request) is None
        answered(one, request, None)
    assert passes(one, hook()) == ""


def test_what_is_remembered_is_bounded_and_forgets_nothing(make: Any) -> None:
    one = make(max_ids=2)
    requests = [hook(f"msg_{number}") for number in range(2)]
    for request in requests:
        assert passes(one, request) == ""
    full = one.decide(hook("msg_3"))
    assert (full.status, full.reason) == (503, "webhook_overflow")
    answered(one, requests[0], 503)
    assert passes(one, hook("msg_3")) == ""


# -- in a store


@pytest.fixture
async def workers(redis: RedisProcess, build: Any, clock: Any) -> AsyncIterator[Callable[..., Any]]:
    stores: list[Store] = []

    def make(choice: str = "fail_closed") -> WebhookSignatureFilter:
        store = Store(StoreSpec(name="s", address=redis.address, timeout=5.0), Account(redis.address), Metrics(), clock)
        stores.append(store)
        spec = WebhookSignature(sender="payments", secrets=(SECRET,), store="s", on_store_failure=choice)
        return WebhookSignatureFilter(spec, replace(build(), stores={"s": store}, route="hooks"))

    yield make
    for store in stores:
        await store.close()


async def sends(one: WebhookSignatureFilter, request: Request) -> str:
    decision = one.decide(request)
    reply = decision if decision is None or isinstance(decision, Reply) else await decision
    if reply is None:
        one.commit(request)
    return reason(reply)


async def told(redis: RedisProcess, value: bytes | None) -> None:
    """Wait until the only id is remembered like that."""
    deadline = asyncio.get_running_loop().time() + 5
    while True:
        keys = redis.command("KEYS", "webhooks:hooks:payments:*")
        found = redis.command("GET", keys[0]) if keys else None
        if found == value:
            return
        assert asyncio.get_running_loop().time() < deadline, (found, value)
        await asyncio.sleep(0.001)


async def test_two_workers_deliver_it_once(workers: Any, redis: RedisProcess) -> None:
    one, other = workers(), workers()
    requests = [hook() for _ in range(10)]
    said = await asyncio.gather(*(sends(worker, each) for worker, each in zip([one, other] * 5, requests, strict=True)))
    assert sorted(said) == [""] + ["webhook_replayed"] * 9
    for worker, each in zip([one, other] * 5, requests, strict=True):
        answered(worker, each, 200 if said[requests.index(each)] == "" else None)
    await told(redis, b"delivered")
    assert await sends(other, hook()) == "webhook_replayed"
    (key,) = redis.command("KEYS", "*")
    assert 590_000 < redis.command("PTTL", key) <= 600_000


async def test_what_failed_may_come_again_to_another_worker(workers: Any, redis: RedisProcess) -> None:
    one, other, request = workers(), workers(), hook()
    assert await sends(one, request) == ""
    answered(one, request, 503)
    await told(redis, None)
    assert await sends(other, hook()) == ""


async def test_a_copy_that_is_broken_off_frees_nothing(workers: Any, redis: RedisProcess) -> None:
    one, first = workers(), hook()
    assert await sends(one, first) == ""
    answered(one, first, 200)
    await told(redis, b"delivered")
    copy = hook()
    waiting = one.decide(copy)
    answered(one, copy, None)  # its client has left before Redis has answered
    assert reason(await waiting) == "webhook_replayed"
    assert await sends(one, hook()) == "webhook_replayed"


async def test_one_that_is_broken_off_before_it_was_known_is_free_again(workers: Any, redis: RedisProcess) -> None:
    one, request = workers(), hook()
    waiting = one.decide(request)
    answered(one, request, None)
    assert await waiting is None
    await told(redis, None)
    assert await sends(one, hook()) == ""


async def test_asking_takes_nothing_there(workers: Any, redis: RedisProcess) -> None:
    one = workers()
    assert await one.preview(hook()) is None  # of a question nobody says that it is over
    assert one.memory._taken == {}
    assert redis.command("KEYS", "*") == []


@pytest.mark.parametrize(("choice", "expected"), [("fail_open", ""), ("fail_closed", "webhook_store_unavailable")])
async def test_without_its_store(workers: Any, redis: RedisProcess, choice: str, expected: str) -> None:
    one, request = workers(choice), hook()
    redis.kill()
    assert await sends(one, request) == expected
    answered(one, request, 200)
    assert one.memory._undecided.values == {("WebhookSignature", "s", choice): 1}
    assert reason(one.decide(hook(secret=OTHER))) == "webhook_signature_invalid"  # that needs no store

"""Webhooks through a whole gateway: the body that is signed is the body that goes on, and a retry is no replay."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from gateway.roles.explain import explain
from sample_services.kit.webhooks import new_webhook_secret, sign_webhook

SECRET = new_webhook_secret()
CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{upstream}"]}}]
routes:
  - name: hooks
    matches: [{{path: {{value: /hooks}}, method: POST}}]
    filters:
      - {{type: WebhookSignature, sender: payments, secrets: ["{secret}"], maxBytes: 100}}
      - {{type: RateLimit, name: sender, key: {{type: Claim, name: sub}}, requests: 100}}
    backendRefs: [{{cluster: shop}}]
"""
BODY = b'{"type":"payment.settled"}'


class Service:
    """Answers as it is told; keeps the bodies that it got."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.bodies: list[bytes] = []

    async def answer(self, reader: Any, writer: Any) -> None:
        self.bodies.append(await reader.readexactly(len(BODY)))
        status = self.statuses.pop(0)
        if status == 0:
            writer.close()  # without a word
            return
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        await writer.drain()


@pytest.fixture
async def running(gateway: Any, upstream: Any) -> Any:
    service = Service()
    shop = await upstream(service.answer)
    return await gateway(CONFIG.format(upstream=shop.address, secret=SECRET)), service


async def post(one: Any, identity: str, body: bytes = BODY, *, sent: bytes | None = None, chunked: bool = False) -> Any:
    sent = body if sent is None else sent
    fields = sign_webhook(identity, body, [SECRET], time.time())
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(sent)}"
    head = f"POST /hooks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}{framing}\r\n\r\n".encode()
    payload = b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent) if chunked else sent
    answer = await one.raw(head + payload)
    head, _, said = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(said)["reason"] if said else ""


@pytest.mark.parametrize("chunked", [False, True])
async def test_what_is_signed_goes_on_and_once(running: Any, chunked: bool) -> None:
    one, service = running
    service.statuses = [202, 202]
    assert await post(one, "msg_1", chunked=chunked) == (202, "")
    assert await post(one, "msg_1", chunked=chunked) == (409, "webhook_replayed")
    assert await post(one, "msg_2", sent=BODY.replace(b"settled", b"refused")) == (401, "webhook_signature_invalid")
    assert await post(one, "msg_2") == (202, "")
    assert service.bodies == [BODY, BODY]


@pytest.mark.parametrize("failure", [503, 0])
async def test_a_retry_after_a_failure_is_no_replay(running: Any, failure: int) -> None:
    one, service = running
    service.statuses = [failure, 200]
    status, _ = await post(one, "msg_1")
    assert status in (502, 503)
    assert await post(one, "msg_1") == (200, "")
    assert await post(one, "msg_1") == (409, "webhook_replayed")


async def test_more_than_is_read_is_refused(running: Any) -> None:
    one, service = running
    assert await post(one, "msg_1", b"x" * 101) == (413, "body_too_large_to_inspect")
    assert service.bodies == []


async def test_asking_takes_no_id(running: Any) -> None:
    one, service = running
    fields = sign_webhook("msg_1", BODY, [SECRET], time.time())
    question = {"method": "POST", "target": "/hooks", "headers": list(fields.items()), "body": BODY.decode()}
    for _ in range(2):
        told = await explain(one.worker.snapshot, {**question, "listener": "public"})
        assert told["outcome"] == "forward"
        assert told["steps"][0]["detail"].startswith("signed by payments, id msg_1")
    service.statuses = [200]
    assert await post(one, "msg_1") == (200, "")

"""The payment provider is owned by somebody else now, and keeps to every letter of its contract."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from urllib.parse import urlsplit

from gateway.cli.instance import private_json
from gateway.cli.wire import Answer, send
from scenarios.lab.model import Control, Open, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target

ITEM = {"items": [{"product_id": 6, "quantity": 2}]}
ACCOMPLICE = "ronda"
HEARD_WITHIN_S = 20.0


def attack(lab: Target) -> Outcome:
    """An accomplice orders; whoever sits inside the provider calls it paid, in answers and webhooks of perfect form."""
    lab.become(ACCOMPLICE)
    order = lab.call(ACCOMPLICE, "POST", "/orders", json=ITEM).json()
    asked = lab.call(ACCOMPLICE, "POST", f"/orders/{order['id']}/pay")
    paid = asked.ok and _called_paid(lab, order["id"], urlsplit(asked.json()["pay_url"]).path)
    hook = _webhook(lab, order)
    if not paid:
        lab.tidy(ACCOMPLICE, "POST", f"/orders/{order['id']}/cancel")
    return Outcome(
        breached=paid,
        got=f"goods for {order['total'] / 100:.2f} EUR, paid by nobody" if paid else "nothing out, nothing in",
        measures={
            "orders called paid": f"{int(paid)} of 1",
            "asking for a payment": f"{asked.status} {_reason(asked)}",
            "a webhook with its secret": f"{hook.status} {_reason(hook)}",
        },
        shows=f"POST /orders/{order['id']}/pay" if not paid else f"GET /orders/{order['id']}",
    )


def _called_paid(lab: Target, order: int, page: str) -> bool:
    """From inside the provider: mark it as paid, and let its own sender tell the shop."""
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    send(lab.service_url("payments"), "POST", page, headers=form, body=b"outcome=paid")
    end = time.monotonic() + HEARD_WITHIN_S
    while time.monotonic() < end:
        if lab.tidy(ACCOMPLICE, "GET", f"/orders/{order}").json()["payment"] == "paid":
            return bool(lab.call(ACCOMPLICE, "GET", f"/orders/{order}").json()["payment"] == "paid")
        time.sleep(0.1)
    return False


def _webhook(lab: Target, order: dict[str, int]) -> Answer:
    """A genuine signature over an invented payment: the provider has its own secret (Standard Webhooks 1.0.0)."""
    facts = {"id": f"pay_{lab.random.randbytes(16).hex()}", "reference": f"order-{order['id']}", "currency": "EUR"}
    body = json.dumps({"type": "payment.paid", "data": facts | {"amount": order["total"]}}).encode()
    secret = private_json(lab.instance.state_dir / "installation.json")["webhooks"]["payments"]
    key = base64.b64decode(secret.removeprefix("whsec_"))
    name, now = f"msg_{lab.random.randbytes(8).hex()}", str(int(time.time()))
    signature = base64.b64encode(hmac.digest(key, f"{name}.{now}.".encode() + body, hashlib.sha256)).decode()
    fields = {"webhook-id": name, "webhook-timestamp": now, "webhook-signature": f"v1,{signature}"}
    headers = [("Content-Type", "application/json"), *fields.items()]
    return lab.call("the provider", "POST", "/hooks/payments", headers=headers, body=body, signed_in=False)


def _reason(answer: Answer) -> str:
    told = answer.json()
    return str(told.get("reason", "")) if isinstance(told, dict) else ""


def benign(lab: Target) -> bool:
    """Alice orders, and looks at her order: what needs no provider goes on, and nothing is lost meanwhile."""
    placed = lab.call("alice", "POST", "/orders", json=ITEM)
    if placed.status != 201:
        return False
    order = placed.json()["id"]
    seen = lab.call("alice", "GET", f"/orders/{order}").status == 200
    lab.tidy("alice", "POST", f"/orders/{order}/cancel")
    return seen


SCENARIO = Scenario(
    id="compromised-third-party",
    title="The provider is somebody else now",
    story=(
        "The news says that payments.example was broken into. Its answers are in perfect form, its webhooks carry "
        "genuine signatures: the thief has its keys. He calls orders paid that nobody paid, and an accomplice collects "
        "the goods. No schema and no signature can tell. Somebody has to decide, and it must work within the minute."
    ),
    references=("OWASP API10:2023", "CWE-829", "CWE-345", "NIST SP 800-161"),
    claims=("C6", "C15"),
    difficulty=3,
    minutes=8,
    weaknesses=(Open("payments"),),
    control=Control(
        name="one way out and in for each third party, with a switch that shuts both",
        where="gateway",
        lines=(
            '$ gatehouse egress quarantine payments --why "broken into, says the news"\n'
            "# shop.yaml: what makes the switch possible is that there is one way\n"
            "listeners:\n  - {name: to-payments, port: 8087, egress: {thirdParty: payments}}\n"
            "filters: [{type: WebhookSignature, sender: payments}]   # its way in, by the same name"
        ),
        elsewhere=(
            "# Istio: an egress gateway, and a policy that is applied in that minute; its webhooks need another one\n"
            "kind: AuthorizationPolicy\nmetadata: {namespace: istio-egress, name: quarantine-payments}\n"
            "spec: {action: DENY, rules: [{to: [{operation: {hosts: [payments.example]}}]}]}\n"
            "# Envoy: a route with direct_response: {status: 503}, or a runtime key in a fault filter"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Everything fits: address, key, form, amount, signature. So what is left to check?",
        "gatehouse egress status shows the way out. By how many ways does this provider come in?",
        "What do customers lose when nothing is asked of it for an hour, and what do you lose if something is?",
    ),
    wrong_fixes=(
        WrongFix("hold its answers to a schema", "They fit. That stops a clumsy thief: see api10-unsafe-consumption."),
        WrongFix("verify the webhooks' signatures", "They are genuine. The secret was the provider's, and is his now."),
        WrongFix("shut the way out alone", "Payments that were asked for before come back by webhook, and count."),
        WrongFix("change the provider's address to nowhere", "A deployment in a hurry, and its webhooks still come."),
    ),
    questions=(
        (
            "What do customers see meanwhile?",
            "Their order stands, unpaid: 503 payment_unavailable with Retry-After. Everything else works.",
        ),
        (
            "What becomes of honest payments that were under way?",
            "Their webhooks get 503, which says: later. The provider sends them again, after the release.",
        ),
        (
            "And what was called paid before anybody pulled the switch?",
            "It stands in the database. Reconciliation with the bank finds it; the switch bounds how much it is.",
        ),
    ),
)

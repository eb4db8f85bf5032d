"""identity, orders and payments.example as real processes: paying, and what a hostile third party achieves."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

import psutil
import pytest

from sample_services.kit.contract import read_contract
from sample_services.kit.webhooks import sign_webhook
from sample_services.payments.misbehaviour import MODES
from tests.sample_services.contracts import check_answer

USERS = {"alice": "a-password-of-alice", "bob": "a-password-of-bob"}
SECRETS = {
    "shared": {"payments-key": "a-key-of-the-merchant"},
    "webhooks": {"payments": "whsec_QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="},
}


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def send(method: str, url: str, data: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
    try:
        with build_opener(Stay).open(Request(url, data, headers, method=method), timeout=15) as answer:
            return answer.status, answer.headers.get_content_type(), answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers.get_content_type(), error.read()


def wait_for(is_so: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@dataclass
class Shop:
    start: Callable[..., Any]
    identity: Any
    payments: Any
    orders: Any
    tokens: dict[str, str]

    def start_orders(self) -> Any:
        peers = {"identity": self.identity.url, "payments": self.payments.url}
        return self.start("orders", "sample_services.orders", peers=peers, secrets=SECRETS, port=self.orders.port)

    def ask(self, method: str, path: str, user: str = "alice", body: Any = None) -> tuple[int, Any]:
        if user not in self.tokens:
            login = json.dumps({"username": user, "password": USERS[user]}).encode()
            answer = send("POST", f"{self.identity.url}/login", login, **{"Content-Type": "application/json"})
            self.tokens[user] = json.loads(answer[2])["access_token"]
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.tokens[user]}", "Content-Type": "application/json"}
        status, media_type, raw = send(method, self.orders.url + path, data, **headers)
        found = json.loads(raw) if raw else None
        check_answer(read_contract("orders"), method, path, status, media_type, found)
        return status, found

    def order(self) -> int:
        return int(self.ask("POST", "/orders", body={"items": [{"product_id": 1, "quantity": 1}]})[1]["id"])

    def paid(self, order_id: int) -> str:
        return str(self.ask("GET", f"/orders/{order_id}")[1]["payment"])

    def rows(self) -> int:
        with closing(sqlite3.connect(f"file:{self.orders.data_dir}/orders.db?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM payment").fetchone()[0])

    def hook(self, body: Any, message: str = "msg_1", secret: str = SECRETS["webhooks"]["payments"]) -> tuple[int, Any]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = sign_webhook(message, raw, [secret], time.time())
        status, media_type, answer = send("POST", f"{self.orders.url}/hooks/payments", raw, **headers)
        found = json.loads(answer) if answer else None
        check_answer(read_contract("orders"), "POST", "/hooks/payments", status, media_type, found)
        return status, found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(params=["none"])
def shop(request: pytest.FixtureRequest, start_service: Any) -> Shop:
    port = free_port()
    identity = start_service("identity", "sample_services.identity", secrets={"users": USERS})
    payments = start_service(
        "payments", "sample_services.payments", secrets=SECRETS,
        public_url=f"http://127.0.0.1:{port}", options={"misbehave": request.param},
    )  # fmt: skip
    peers = {"identity": identity.url, "payments": payments.url}
    orders = start_service("orders", "sample_services.orders", peers=peers, secrets=SECRETS, port=port)
    return Shop(start_service, identity, payments, orders, {})


def press(pay_url: str, outcome: str) -> int:
    return send("POST", pay_url, urlencode({"outcome": outcome}).encode())[0]


def test_an_order_is_paid_and_the_word_of_it_survives_that_orders_is_away(shop: Shop) -> None:
    order = shop.order()
    status, begun = shop.ask("POST", f"/orders/{order}/pay")
    assert status == 201
    assert shop.ask("POST", f"/orders/{order}/pay") == (200, begun)
    assert b"249.00 EUR" in send("GET", begun["pay_url"])[2]
    assert shop.paid(order) == "unpaid"
    shop.orders.kill()
    assert press(begun["pay_url"], "paid") == 303
    wait_for(lambda: bool(shop.payments.log_lines("webhook tried")))
    shop.orders = shop.start_orders()
    wait_for(lambda: shop.paid(order) == "paid")
    assert press(begun["pay_url"], "failed") == 303  # too late
    status, problem = shop.ask("POST", f"/orders/{order}/pay")
    assert (status, problem["reason"]) == (409, "already_paid")
    tried = shop.payments.log_lines("webhook tried")
    assert [line["outcome"] for line in tried][-1] == "delivered"
    assert len({line["webhook"] for line in tried}) == 1


def test_after_a_failure_one_may_try_again(shop: Shop) -> None:
    order = shop.order()
    first = shop.ask("POST", f"/orders/{order}/pay")[1]
    press(first["pay_url"], "failed")
    wait_for(lambda: shop.paid(order) == "failed")
    status, second = shop.ask("POST", f"/orders/{order}/pay")
    assert (status, second["pay_url"] == first["pay_url"]) == (201, False)
    press(second["pay_url"], "paid")
    wait_for(lambda: shop.paid(order) == "paid")


def test_who_may_pay_what(shop: Shop) -> None:
    order = shop.order()
    assert shop.ask("POST", f"/orders/{order}/pay", "bob")[1]["reason"] == "not_owner"
    shop.ask("POST", f"/orders/{order}/cancel")
    assert shop.ask("POST", f"/orders/{order}/pay")[1]["reason"] == "wrong_state"
    assert shop.ask("POST", "/orders/999999/pay")[0] == 404
    assert send("POST", f"{shop.orders.url}/orders/{order}/pay")[0] == 401
    token = f"Bearer {shop.tokens['alice']}"  # the shop's tokens open nothing at the third party
    assert send("GET", f"{shop.payments.url}/deliveries", Authorization=token)[0] == 401
    key = f"Bearer {SECRETS['shared']['payments-key']}"
    assert send("GET", f"{shop.payments.url}/deliveries", Authorization=key)[0] == 200


def test_a_webhook_counts_only_as_what_was_asked_for_and_once(shop: Shop) -> None:
    order = shop.order()
    pay_url = shop.ask("POST", f"/orders/{order}/pay")[1]["pay_url"]
    data = {"id": pay_url.rpartition("/")[2], "reference": f"order-{order}", "amount": 24900, "currency": "EUR"}

    def hook(kind: str = "paid", message: str = "msg_1", **changes: Any) -> tuple[int, Any]:
        return shop.hook({"type": f"payment.{kind}", "data": {**data, **changes}}, message)

    assert shop.hook({"type": "payment.paid", "data": data}, secret="whsec_" + "AAAA" * 8)[0] == 401
    assert hook(amount=1)[1]["reason"] == "payment_mismatch"
    assert hook(currency="USD")[1]["reason"] == "payment_mismatch"
    assert hook(reference="order-1002")[1]["reason"] == "payment_mismatch"
    assert hook(id="pay_" + "0" * 32)[1]["reason"] == "unknown_payment"
    assert hook(id="pay_'; --")[1]["reason"] == "invalid_body"
    assert hook(amount="24900")[1]["reason"] == "invalid_body"
    assert shop.hook(b"{")[0] == 422
    assert shop.hook(b" " * 20_000)[0] == 413
    assert shop.paid(order) == "unpaid"
    assert hook() == (204, None)  # what was refused before has not used up the id
    assert shop.paid(order) == "paid"
    assert hook() == (204, None)
    assert hook("failed", "msg_2") == (204, None)
    assert shop.paid(order) == "paid"
    assert len(shop.orders.log_lines("payment decided")) == 2


@pytest.mark.parametrize("shop", sorted(set(MODES) - {"none"}), indirect=True)
def test_a_hostile_third_party_gets_nothing_stored(shop: Shop) -> None:
    order = shop.order()
    before = psutil.Process(shop.orders.process.pid).memory_info().rss
    begun = time.monotonic()
    status, problem = shop.ask("POST", f"/orders/{order}/pay")
    told = [(502, "peer_error"), (503, "peer_unavailable"), (503, "payment_unavailable")]  # the last: it takes too long
    assert (status, problem["reason"]) in told
    assert time.monotonic() - begun < 9  # 5 s, and a busy machine
    assert psutil.Process(shop.orders.process.pid).memory_info().rss - before < 16 * 1024 * 1024
    assert shop.rows() == 0
    assert shop.paid(order) == "unpaid"
    assert shop.ask("GET", "/orders")[0] == 200
    about = json.loads(send("GET", f"{shop.payments.url}/about")[2])
    assert about["misbehave"] != "none"

"""orders, alerts and Redis as real processes, with the Redis rights that the manifest gives them."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import Request, urlopen

import jwt
import psutil
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from redis import Redis

from sample_services.alerts.worker import GROUP
from sample_services.kit.inbox import DEAD, STREAM

EVENTS = 800
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def redis(redis_server: Any) -> Iterator[Redis]:
    """A connection that may do everything."""
    user = redis_server.admin
    with Redis.from_url(user["url"], username=user["username"], password=user["password"]) as redis:
        yield redis


def rights(service: str) -> list[str]:
    """The ACL rules of the manifest, as for Redis 6.2: selectors (in parentheses) count for the whole user."""
    manifest = yaml.safe_load(files("sample_services").joinpath("manifest.yaml").read_text("utf-8"))
    (rules,) = [one["redis"] for one in manifest["services"] if one["name"] == service]
    return [part for rule in rules for part in rule.strip("()").split()]


def wait_for(is_so: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def query(database: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def test_kill_9_in_the_middle_loses_nothing_and_doubles_nothing(
    redis_server: Any, redis: Redis, start_service: Any, event: Any
) -> None:
    with redis.pipeline() as pipe:
        for number in range(EVENTS):  # every tenth is suspicious; nobody orders often
            total = 100_000 if number % 10 == 0 else 500
            pipe.xadd(STREAM, {"event": event(number, customer=f"customer-{number}", total=total)})
        pipe.execute()
    user = redis_server.add_user("alerts", *rights("alerts"))

    def start() -> Any:
        return start_service("alerts", "sample_services.alerts", redis=user)

    alerts = start()
    database = alerts.data_dir / "alerts.db"

    def done() -> int:
        return int(query(database, "SELECT count(*) FROM event")[0][0])

    for goal in (20, 150):
        wait_for(lambda goal=goal: done() >= goal)  # type: ignore[misc]
        kill_within_a_batch(alerts, redis)
        assert goal <= done() < EVENTS, "it was not killed in the middle"
        alerts = start()
    wait_for(lambda: done() >= EVENTS and not redis.xpending(STREAM, GROUP)["pending"])
    expected = [(f"event-{number}", "high_value") for number in range(0, EVENTS, 10)]
    assert sorted(query(database, "SELECT event_id, rule FROM finding")) == sorted(expected)
    assert done() == EVENTS
    assert not redis.exists(DEAD)
    assert alerts.stop() == 0


def kill_within_a_batch(alerts: Any, redis: Redis) -> None:
    """Halts the process, looks whether it has unfinished entries, and only then kills it."""
    process = psutil.Process(alerts.process.pid)
    while True:
        process.suspend()
        wait_for(lambda: process.status() == psutil.STATUS_STOPPED)
        if redis.xpending(STREAM, GROUP)["pending"]:
            alerts.kill()
            return
        process.resume()
        time.sleep(0.002)


def test_poison_and_the_rights_to_bury_it(redis_server: Any, redis: Redis, start_service: Any, event: Any) -> None:
    """Four deliveries ended in a crash of some consumer; the fifth is ours and fails."""
    redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    redis.xadd(STREAM, {"event": "poison"})
    redis.xreadgroup(GROUP, "alerts-1", {STREAM: ">"})
    for _ in range(3):
        redis.xautoclaim(STREAM, GROUP, "alerts-1", min_idle_time=0)
    alerts = start_service("alerts", "sample_services.alerts", redis=redis_server.add_user("alerts", *rights("alerts")))
    wait_for(lambda: redis.xlen(DEAD) == 1)
    wait_for(lambda: bool(alerts.log_lines("event given up")))
    assert redis.xpending(STREAM, GROUP)["pending"] == 0


def test_alerts_is_not_ready_without_redis_and_recovers(start_service: Any, redis_server: Any) -> None:
    user = redis_server.add_user("alerts", *rights("alerts"))
    alerts = start_service("alerts", "sample_services.alerts", redis=user)
    redis_server.process.kill()
    redis_server.process.wait()
    wait_for(lambda: status(f"{alerts.url}/readyz") == 503)
    assert status(f"{alerts.url}/healthz") == 200
    assert alerts.process.poll() is None


def status(url: str) -> int:
    from urllib.error import HTTPError

    try:
        with urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


class Outside:
    """The two peers of the test's own: an issuer of tokens, and a collector of spans."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.spans: list[tuple[str, Any]] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def token(self) -> str:
        now = int(time.time())
        claims = {"iss": "https://identity.shop.example", "sub": "alice", "aud": "shop", "client_id": "shop"}
        times = {"iat": now, "exp": now + 60}
        scope = {"scope": "orders:write", "roles": ["customer"]}
        header = {"kid": "k1", "typ": "at+jwt"}
        return jwt.encode({**claims, **times, **scope}, self.key, algorithm="EdDSA", headers=header)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outside = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(outside.key.public_key()))
                keys = {"keys": [{**jwk, "kid": "k1", "alg": "EdDSA", "use": "sig"}]}
                self._answer(json.dumps(keys).encode())

            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    named = {one.key: one.value.string_value for one in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        outside.spans += [(named["service.name"], span) for span in scope.spans]
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        return Handler


@pytest.fixture
def outside() -> Iterator[Outside]:
    outside = Outside()
    thread = Thread(target=outside.server.serve_forever)
    thread.start()
    yield outside
    outside.server.shutdown()
    thread.join()
    outside.server.server_close()


def test_one_trace_from_the_request_to_the_finding(outside: Outside, redis_server: Any, start_service: Any) -> None:
    otlp = {"endpoint": outside.url}
    orders, alerts = (
        start_service(
            name,
            f"sample_services.{name}",
            peers={"identity": outside.url},
            redis=redis_server.add_user(name, *rights(name)),
            otlp=otlp,
        )
        for name in ("orders", "alerts")
    )
    order_id = place_order(orders.url, outside.token())
    wait_for(lambda: bool(alerts.log_lines("suspicious order")))
    (finding,) = alerts.log_lines("suspicious order")
    assert (finding["order_id"], finding["rule"], finding["trace_id"]) == (order_id, "high_value", TRACE_ID)

    def traced() -> dict[tuple[str, str], Any]:
        return {(service, span.name): span for service, span in outside.spans if span.trace_id.hex() == TRACE_ID}

    wait_for(lambda: ("alerts", "alerts db.write work_through") in traced() and len(traced()) >= 5)
    spans = traced()
    request = spans["orders", "POST /orders"]
    consumer = spans["alerts", f"process {STREAM}"]
    assert spans["orders", "orders db.write place"].parent_span_id == request.span_id
    assert spans["orders", f"send {STREAM}"].parent_span_id == request.span_id
    assert consumer.parent_span_id == request.span_id
    assert spans["alerts", "alerts db.write work_through"].parent_span_id == consumer.span_id
    assert (consumer.kind, spans["orders", f"send {STREAM}"].kind) == (5, 4)  # CONSUMER, PRODUCER


def test_orders_are_taken_while_redis_is_away(outside: Outside, redis_server: Any, start_service: Any) -> None:
    user = redis_server.add_user("orders", *rights("orders"))
    orders = start_service("orders", "sample_services.orders", peers={"identity": outside.url}, redis=user)
    redis_server.process.kill()
    redis_server.process.wait()
    assert place_order(orders.url, outside.token()) == 1061
    wait_for(lambda: bool(orders.log_lines("events wait: Redis does not take them")))
    with urlopen(f"{orders.url}/metrics", timeout=5) as answer:
        assert "orders_outbox_waiting_events 1.0" in answer.read().decode()
    assert status(f"{orders.url}/readyz") == 200
    assert orders.stop() == 0


def place_order(url: str, token: str) -> int:
    body = json.dumps({"items": [{"product_id": 1, "quantity": 5}]}).encode()
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/json",
        "traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01",
    }
    with urlopen(Request(f"{url}/orders", body, headers), timeout=5) as answer:
        return int(json.load(answer)["id"])

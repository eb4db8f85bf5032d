"""Faults that are planted on purpose: all that handles real failures meets them, and all that tells says so."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import orjson
import pytest

from gateway.roles.explain import explain
from gateway.spec.tries import Faults as Spec
from gateway.upstream.faults import Fault, Faults
from tests.gateway.roles.test_exchange import OK, get, last, problem, split, statuses
from tests.gateway.roles.test_retries import Script, refused


def config(address: str, faults: str, route: str = "", listener: str = "", cluster: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0{listener}}}]
clusters:
  - {{name: shop, endpoints: ["{address}"]{cluster}}}
routes:
  - name: everything
    public: true
    faults: {faults}
    backendRefs: [{{cluster: shop}}]
{route}
"""


ALWAYS = "{abort: {percent: 100, status: 503}}"
RESET = "{abort: {percent: 100, reset: true}}"
HALF = "{abort: {percent: 50, status: 503}}"


def test_shares_are_what_they_say() -> None:
    spec = {"delay": {"percent": 10, "duration": 1.0}, "abort": {"percent": 2.5, "status": 500}}
    drawn = Faults(Spec.model_validate(spec))
    random = Random(5)
    found = [drawn.draw(random) for _ in range(40_000)]
    delays = sum(one is not None and one.delay == 1.0 for one in found)
    aborts = sum(one is not None and one.abort == 500 for one in found)
    assert delays / 400 == pytest.approx(10, abs=0.6)
    assert aborts / 400 == pytest.approx(2.5, abs=0.3)
    assert str(drawn) == "10 % of tries begin 1 s late, 2.5 % of tries end with 500"
    assert str(Fault(1.0, 0)) == "delay 1 s, reset"


async def test_an_abort_stands_for_the_service_and_says_so(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, ALWAYS))
    edge.worker.watched = True
    told = problem(await edge.raw(last()))
    assert (told["status"], told["reason"]) == (503, "fault_injected")
    assert "planted" in told["detail"]
    assert shop.seen == []
    assert edge.total("gateway_faults_injected_total", fault="abort", gateway_cluster="shop") == 1
    assert edge.total("http_client_request_duration_seconds_count", http_response_status_code="503") == 1
    (record,) = edge.worker.recent
    assert (record["response_flags"], record["attempts"], record["status"]) == ("FI", 1, 503)
    assert b'"planted":"abort 503"' in orjson.dumps(edge.worker.past.take())
    endpoint = edge.worker.snapshot.clusters["shop"].endpoints[0]
    assert (endpoint.active, len(endpoint.idle)) == (0, 1)


async def test_a_reset_is_one(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, RESET))
    told = problem(await edge.raw(last()))
    assert (told["status"], told["reason"]) == (502, "upstream_reset")
    assert "planted" in told["detail"]
    assert shop.seen == []
    assert edge.total("http_client_request_duration_seconds_count", error_type="upstream_reset") == 1


@pytest.mark.parametrize(
    ("faults", "name"), [(HALF, "gateway-error"), ("{abort: {percent: 50, reset: true}}", "reset")]
)
async def test_retries_meet_them_and_overcome_them(upstream: Any, gateway: Any, faults: str, name: str) -> None:
    """What Istio's cannot do (istio/istio#13705): there a route with faults has no retries."""
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, faults, "    retry: {attempts: 10, on: [gateway-error], backoff: 1ms}"))
    assert statuses(await edge.raw(get() * 39 + last())) == [200] * 40
    planted = edge.total("gateway_faults_injected_total")
    assert planted > 10
    assert edge.total("gateway_retries_total", **{"class": name}) == planted
    assert len(shop.seen) == 40


async def test_a_delay_counts_against_the_time_of_the_try(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    late = "{delay: {percent: 100, duration: 5s}}"
    edge = await gateway(config(shop.address, late, "    timeouts: {request: 5s, backendRequest: 100ms}"))
    told = problem(await edge.raw(last()))
    assert (told["status"], told["reason"]) == (504, "upstream_timeout")
    assert shop.seen == []
    edge.apply(config(shop.address, late, "    timeouts: {request: 100ms}"))
    assert problem(await edge.raw(last()))["reason"] == "request_timeout"
    assert shop.seen == []
    edge.apply(
        config(shop.address, late, "    retry: {on: [timeout]}\n    timeouts: {request: 5s, backendRequest: 50ms}")
    )
    assert problem(await edge.raw(last()))["detail"].count("2 tries") == 1
    assert edge.total("gateway_retries_total", **{"class": "timeout"}, result="failure") == 1


async def test_a_short_delay_only_delays(upstream: Any, gateway: Any) -> None:
    """Body and all; the connection is taken before the delay, as a slow service would hold it."""
    script = Script(OK, OK)
    script.length = 10
    shop = await upstream(script)
    edge = await gateway(config(shop.address, "{delay: {percent: 100, duration: 100ms}}"))
    edge.worker.watched = True
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    began = asyncio.get_running_loop().time()
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello")
    endpoint = edge.worker.snapshot.clusters["shop"].endpoints[0]
    while not endpoint.active:
        await asyncio.sleep(0)
    writer.write(b"world")
    assert statuses(await reader.read()) == [200]
    assert asyncio.get_running_loop().time() - began >= 0.1
    assert script.bodies == [b"helloworld"]
    (record,) = edge.worker.recent
    assert (record["attempts"], record["response_flags"]) == (1, "DI")
    assert record["upstream_duration_ms"] >= 100
    assert edge.total("gateway_faults_injected_total", fault="delay") == 1
    writer.close()


async def test_a_whole_chunked_body_waits_for_the_end_of_the_delay(upstream: Any, gateway: Any) -> None:
    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readuntil(b"0\r\n\r\n") == b"5\r\nhello\r\n0\r\n\r\n"
        writer.write(OK)

    shop = await upstream(takes)
    edge = await gateway(config(shop.address, "{delay: {percent: 100, duration: 50ms}}"))
    post = b"POST / HTTP/1.1\r\nHost: a\r\n%bTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    # The second one gets a kept connection at once, so that its body comes during the delay.
    assert statuses(await edge.raw(post % b"" + post % b"Connection: close\r\n")) == [200, 200]


async def test_a_connection_that_closes_during_the_delay_is_replaced(upstream: Any, gateway: Any) -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.03)
        writer.transport.abort()

    shop = await upstream(once)
    edge = await gateway(config(shop.address, "{delay: {percent: 100, duration: 100ms}}"))
    assert statuses(await edge.raw(get() + last())) == [200, 200]
    assert shop.connections == 2
    assert edge.total("gateway_faults_injected_total") == 2  # one try, one draw


async def test_a_delayed_try_holds_its_connection_as_a_slow_one_does(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = ", maxConnections: 1, maxPending: 0"
    edge = await gateway(config(shop.address, "{delay: {percent: 100, duration: 300ms}}", cluster=one))
    first = asyncio.create_task(edge.raw(last()))
    endpoint = edge.worker.snapshot.clusters["shop"].endpoints[0]
    while not endpoint.active:
        await asyncio.sleep(0)
    assert problem(await edge.raw(last()))["reason"] == "upstream_overflow"
    assert statuses(await first) == [200]


async def test_a_client_that_leaves_during_a_delay_is_not_worked_for(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, "{delay: {percent: 100, duration: 5s}}"))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    endpoint = edge.worker.snapshot.clusters["shop"].endpoints[0]
    while not endpoint.active:
        await asyncio.sleep(0)
    (exchange,) = edge.worker.exchanges
    timer = exchange._timer
    writer.transport.abort()
    while edge.worker.exchanges or endpoint.active:
        await asyncio.sleep(0)
    assert timer.cancelled()
    assert shop.seen == []


@pytest.mark.parametrize(
    ("declared", "hops", "sent", "status"),
    [
        ("header: x-fault", 0, True, 200),  # from outside it never counts
        ("header: x-fault", 1, True, 503),
        ("header: x-fault", 1, False, 200),
        ("header: x-fault, fromAnybody: true", 0, True, 503),
        ("header: x-fault, fromAnybody: true", 0, False, 200),
    ],
)
async def test_a_header_triggers_only_what_the_configuration_lets_it(
    upstream: Any, gateway: Any, declared: str, hops: int, sent: bool, status: int
) -> None:
    shop = await upstream(OK)
    faults = ALWAYS.replace("{abort", f"{{{declared}, abort", 1)
    edge = await gateway(config(shop.address, faults, listener=f", trustedHops: {hops}"))
    assert split(await edge.raw(last("/", *(["X-Fault: yes"] if sent else []))))[0] == status


async def test_spans_say_which_try_met_one(upstream: Any, gateway: Any) -> None:
    class Exporter:
        def __init__(self) -> None:
            self.spans: list[Any] = []

        def add(self, span: Any) -> None:
            self.spans.append(span)

    shop = await upstream(OK)
    edge = await gateway(config(shop.address, HALF, "    retry: {attempts: 10, on: [gateway-error], backoff: 1ms}"))
    edge.worker.exporter, edge.worker.sample_ratio = Exporter(), 1.0
    await edge.raw(get() * 9 + last())
    tries = [one for one in edge.worker.exporter.spans if one.kind == "client"]
    marked = [one for one in tries if "gateway.planted_fault" in one.attributes]
    assert len(tries) - len(marked) == 10
    assert {one.error for one in marked} == {"503"}
    assert {one.error for one in tries if one not in marked} == {None}
    servers = [one for one in edge.worker.exporter.spans if one.kind == "server"]
    assert sum("gateway.planted_faults" in one.attributes for one in servers) >= 1


async def test_explain_tells_beforehand(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, ALWAYS))
    told = await explain(edge.worker.snapshot, {"method": "GET", "target": "/"})
    assert (
        told["not_decided_here"][-1]
        == "which tries meet the faults that test.yaml:6 plants: 100 % of tries end with 503"
    )


async def test_the_attempts_are_used_up_and_the_planted_answer_goes_on(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, ALWAYS, "    retry: {attempts: 2, on: [gateway-error], backoff: 1ms}"))
    assert problem(await edge.raw(last()))["reason"] == "fault_injected"
    assert (refused(edge, "attempts"), edge.total("gateway_faults_injected_total")) == (1, 3)

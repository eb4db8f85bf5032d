"""What is measured: every workload, who takes part, and the targets that the project has set itself.

Targets are ratios within one run; they are printed beside the rows, met or missed, and never fail a build.
"""

from __future__ import annotations

import time
from typing import Final

from benchmarks.loads.fixed_rate import fixed_rate
from benchmarks.loads.idle import idle_connections
from benchmarks.loads.stream import download, upload
from benchmarks.loads.tracing import traced
from benchmarks.loads.tracing import warm_up as tracing_warm_up
from benchmarks.loads.websocket import messages
from benchmarks.loads.wrk import Wrk
from benchmarks.model import Entry, Setup, Target, Workload
from benchmarks.work import FILES

CHAIN: Final = Setup(policy=True, routes=100)
STREAM: Final = Setup(streaming=True)
TLS: Final = Setup(tls=True)


LABELS: Final = {"native": "gatehouse, native"}
OURS: Final = ("gatehouse", LABELS["native"])


def _entries(setup: Setup, *proxies: str) -> tuple[Entry, ...]:
    return tuple(Entry(proxy, setup, LABELS.get(proxy, "")) for proxy in proxies)


def _cpu(limit: float, base: str, row: str = "gatehouse") -> Target:
    return Target(row, "cpu_us", limit, base)


def _both(limit: float, base: str) -> tuple[Target, ...]:
    """For the modules as they stand, and compiled."""
    return tuple(_cpu(limit, base, row) for row in OURS)


def _bytes(limit: float) -> tuple[Target, ...]:
    return (Target("gatehouse", "mib_per_cpu_second", limit, "envoy", at_least=True),)


WORKLOADS: Final = (
    Workload(
        "plain",
        "a plain proxy, answers of 132 bytes",
        "cpu_us",
        Wrk(),
        _entries(Setup(), "gatehouse", "native", "envoy", "haproxy", "nginx", "caddy"),
        (*_both(0.60, "envoy"), *_both(2.0, "nginx")),
    ),
    Workload(
        "policy",
        "101 routes, RS256 token (remembered), scope, limit per subject, request id, trace context, metrics",
        "cpu_us",
        Wrk(),
        _entries(CHAIN, "gatehouse", "native", "envoy", "haproxy", "aiohttp"),
        (
            *_both(0.60, "envoy"),
            *_both(0.75, "haproxy"),
            *(Target(row, "rate", 4.0, "aiohttp", at_least=True) for row in OURS),
            *(Target(row, metric, 80.0) for metric in ("rss_idle_mib", "rss_mib") for row in OURS),
        ),
    ),
    Workload(
        "latency",
        "the policy chain at the same fixed rate, half of the slower one's maximum; latency from when it was due",
        "p99_ms",
        fixed_rate,
        _entries(CHAIN, "gatehouse", "native", "envoy", "haproxy"),
        tuple(Target(row, "p99_ms", 1.0, "envoy") for row in OURS),
        rate_of="policy",
    ),
    Workload(
        "unseen-tokens",
        "the policy chain, each request with a token that is in no cache",
        "cpu_us",
        Wrk(script="tokens.lua", tokens="unseen.txt"),
        _entries(CHAIN, "gatehouse", "native", "envoy", "haproxy"),
        _both(1.2, "envoy"),
        warm_up=Wrk(),
    ),
    Workload(
        "bad-tokens",
        "the policy chain, each request with another bad signature: all answers are 401",
        "cpu_us",
        Wrk(script="tokens.lua", tokens="bad.txt", denied=True),
        _entries(CHAIN, "gatehouse", "native", "envoy", "haproxy"),
        _both(1.2, "envoy"),
        warm_up=Wrk(),
    ),
    Workload(
        "redis-limit",
        "the policy chain with its limit in each worker and in Redis; the Redis runs beside the load",
        "cpu_us",
        Wrk(),
        (
            Entry("gatehouse", CHAIN, "gatehouse, local"),
            Entry("gatehouse", Setup(policy=True, routes=100, redis=True), "gatehouse, in Redis"),
        ),
        (_cpu(2.5, "gatehouse, local", "gatehouse, in Redis"),),
    ),
    Workload(
        "many-routes",
        "a plain proxy with 10 and with 10 000 routes",
        "cpu_us",
        Wrk(),
        (
            Entry("gatehouse", Setup(routes=10), "gatehouse, 10 routes"),
            Entry("gatehouse", Setup(routes=10_000), "gatehouse, 10 000 routes"),
        ),
        (_cpu(1.15, "gatehouse, 10 routes", "gatehouse, 10 000 routes"),),
    ),
    Workload(
        "answers-64k",
        "a plain proxy, answers of 64 KiB",
        "mib_per_cpu_second",
        Wrk(path="/files/64k", bytes_each=FILES["64k"]),
        _entries(Setup(), "gatehouse", "envoy", "nginx"),
        _bytes(1.0),
    ),
    Workload(
        "answers-1m",
        "a plain proxy, answers of 1 MiB",
        "mib_per_cpu_second",
        Wrk(path="/files/1m", bytes_each=FILES["1m"], connections=16),
        _entries(Setup(), "gatehouse", "envoy", "nginx"),
        _bytes(0.6),
    ),
    Workload(
        "uploads-1m",
        "a plain proxy, uploads of 1 MiB",
        "mib_per_cpu_second",
        Wrk(path="/upload", script="upload.lua", bytes_each=FILES["1m"], connections=16),
        _entries(Setup(), "gatehouse", "envoy", "nginx"),
        _bytes(0.6),
    ),
    Workload(
        "access-log",
        "the policy chain without and with an access log",
        "cpu_us",
        Wrk(settle=lambda _: time.sleep(0.5)),  # lines are written four times a second
        (
            Entry("gatehouse", CHAIN, "gatehouse, log off"),
            Entry("gatehouse", Setup(policy=True, routes=100, access_log=True), "gatehouse, log on"),
        ),
        (_cpu(1.2, "gatehouse, log off", "gatehouse, log on"),),
    ),
    Workload(
        "tracing",
        "the policy chain with 0, 1 and 100 % of requests as spans, exported by OTLP",
        "cpu_us",
        traced,
        (
            Entry("gatehouse", CHAIN, "gatehouse, 0 %"),
            Entry("gatehouse", Setup(policy=True, routes=100, sampled=0.01), "gatehouse, 1 %"),
            Entry("gatehouse", Setup(policy=True, routes=100, sampled=1.0), "gatehouse, 100 %"),
        ),
        (_cpu(1.1, "gatehouse, 0 %", "gatehouse, 1 %"), _cpu(3.5, "gatehouse, 0 %", "gatehouse, 100 %")),
        warm_up=tracing_warm_up,
    ),
    Workload(
        "idle",
        "5 000 keep-alive connections that do nothing",
        "kib_per_connection",
        idle_connections,
        _entries(Setup(), "gatehouse", "envoy", "haproxy", "nginx"),
        (Target("gatehouse", "kib_per_connection", 6.0),),
        once=True,
    ),
    Workload(
        "stream-down",
        "an answer of 1 GiB to a slow client",
        "growth_mib",
        download,
        _entries(STREAM, "gatehouse", "envoy"),
        (Target("gatehouse", "growth_mib", 8.0),),
        once=True,
    ),
    Workload(
        "stream-up",
        "a request of 1 GiB to a slow upstream",
        "growth_mib",
        upload,
        _entries(STREAM, "gatehouse", "envoy"),
        (Target("gatehouse", "growth_mib", 8.0),),
        once=True,
    ),
    Workload(
        "websocket",
        "messages of 64 bytes there and back on 32 WebSocket connections",
        "messages_per_cpu_second",
        messages,
        _entries(STREAM, "gatehouse", "envoy"),
        (Target("gatehouse", "messages_per_cpu_second", 0.8, "envoy", at_least=True),),
    ),
    Workload(
        "tls",
        "a plain proxy behind a TLS 1.3 listener, keep-alive",
        "cpu_us",
        Wrk(),
        _entries(TLS, "gatehouse", "envoy", "haproxy", "nginx"),
    ),
    Workload(
        "mesh",
        "two hops: two plain proxies, and two sidecars with mutual TLS between them, a policy and both secrets",
        "cpu_us",
        Wrk(),
        (
            Entry("gatehouse", Setup(hops="plain"), "gatehouse, plain hops"),
            Entry("gatehouse", Setup(hops="mesh"), "gatehouse, sidecars"),
        ),
        (_cpu(1.6, "gatehouse, plain hops", "gatehouse, sidecars"),),
    ),
)

NOT_MEASURED: Final[tuple[str, ...]] = ()
"""What the targets name and no workload covers, with the reason."""

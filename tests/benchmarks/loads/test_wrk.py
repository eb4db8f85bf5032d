"""Reading wrk's report: every number that a row is made of, and every failure that voids it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.loads.wrk import Unreadable, Wrk, parse
from benchmarks.model import Site

GOOD = """Running 3s test @ http://127.0.0.1:41235/orders/1
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.99ms    1.51ms  30.22ms   93.42%
    Req/Sec    21.53k     2.01k   24.99k    76.67%
  Latency Distribution
     50%    2.75ms
     75%    3.10ms
     90%    3.85ms
     99%    9.07ms
  64270 requests in 3.01s, 19.37MB read
Requests/sec:  21366.10
Transfer/sec:      6.44MB
"""


def test_every_number_of_a_good_report() -> None:
    told = parse(GOOD)
    assert (told.requests, told.seconds) == (64_270, 3.01)
    assert (told.p50_ms, told.p99_ms) == (2.75, 9.07)
    assert (told.errors, told.refused) == (0, 0)


@pytest.mark.parametrize(("text", "milliseconds"), [("812.00us", 0.812), ("1.20s", 1200.0), ("1.50m", 90_000.0)])
def test_units_of_latency(text: str, milliseconds: float) -> None:
    told = parse(GOOD.replace("9.07ms", text))
    assert told.p99_ms == pytest.approx(milliseconds)
    assert told.p50_ms == 2.75


def test_a_run_of_minutes() -> None:
    assert parse(GOOD.replace("in 3.01s,", "in 2.00m,")).seconds == pytest.approx(120.0)


def test_failures_are_added_up() -> None:
    lines = "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 17\n"
    told = parse(GOOD.replace("Requests/sec", lines + "Requests/sec"))
    assert (told.errors, told.refused) == (4321, 17)


@pytest.mark.parametrize("text", ["", "unable to connect to 127.0.0.1:1 Connection refused\n"])
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text)


def test_the_command_carries_the_load() -> None:
    site = Site(1, 8443, True, Path("/run"), "t0ken", 3, 1, 9)
    command = Wrk(path="/up", script="tokens.lua", tokens="bad.txt")._command(site)
    assert command[:3] == ["taskset", "-c", "1"]
    assert "-d3s" in command
    assert "Authorization: Bearer t0ken" in command
    assert command[-3:] == ["https://127.0.0.1:8443/up", "--", "/run/bad.txt"]
    assert Path(command[command.index("-s") + 1]).is_file()

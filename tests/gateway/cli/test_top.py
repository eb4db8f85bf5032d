"""`gatehouse top` and `gatehouse alerts` print what the admin API says."""

from __future__ import annotations

import importlib
import io
import json
import time
from datetime import datetime
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.top_picture import ROWS, sentence

top_module = importlib.import_module("gateway.cli.top")  # `gateway.cli.top` itself may be the command
NO_ALERTS = {"evaluated": False, "why": "no Prometheus runs with this instance", "url": None, "alerts": []}
FIRING = {
    "name": "TransactionsSlow", "state": "firing", "severity": "page", "variant": "classroom", "since":
    "2026-11-27T10:00:00.123456789Z", "summary": "orders: slow \x1b[2J", "service": "orders",
}  # fmt: skip


def rates(name: str, rate: float, **more: Any) -> dict[str, Any]:
    return {"name": name, "rate": rate, "refused": 0.5, "failing": 0.0, "p50_ms": 2.0, "p95_ms": 1_250.0, **more}


def now(**more: Any) -> dict[str, Any]:
    """The admin API's `/now`, as far as it is read."""
    quiet = {**rates("quiet", 0.0), "p50_ms": None}
    return {
        "time": "2026-11-27T10:00:10.000Z",
        "total": rates("", 12.25),
        "routes": [rates("slow", 1.0), quiet, rates("busy", 11.0), rates("", 0.25)],
        "services": [rates("orders", 9.0, state="running"), rates("reports", 0.0, state="stopped")],
        "config": {"override": None, "last": {"result": "accepted"}},
        "alerts": NO_ALERTS,
        **more,
    }


def record(status: int, by: str, reason: str = "", policy: str = "") -> dict[str, Any]:
    return {"status": status, "decided_by": by, "route": "orders-read", "reason": reason, "policy": policy}


@pytest.fixture
def told(installation: Any) -> Any:
    """The installation, with answers for everything that `top` asks."""
    installation.reply("GET", "/now", now())
    refused = [record(401, "gateway", "token_missing", "shop.yaml:9")] * 3
    requests = [record(200, "orders"), record(403, "orders"), *refused, record(503, "gateway", "no_endpoint")]
    installation.reply("GET", "/requests", {"requests": requests})
    installation.reply("GET", "/certificates", {"certificates": []})
    return installation


def lines(output: str) -> list[str]:
    return [" ".join(line.split()) for line in output.splitlines() if line.strip()]


def test_one_picture(told: Any) -> None:
    assert lines(told.run("top", "--once").output) == [
        "12.2 requests/s, 4.1 % refused on purpose, 0 % failing, p95 1.2 s",
        "DEFENDED: the configuration file is in force.",
        "No alerts are evaluated: no Prometheus runs with this instance.",
        "ROUTE REQ/S REFUSED FAILED P50 P95",
        "busy 11.0 0.5 0 2 ms 1.2 s",
        "slow 1.0 0.5 0 2 ms 1.2 s",
        "(no route) 0.2 0.5 0 2 ms 1.2 s",
        "SERVICE REQ/S REFUSED FAILED P50 P95",
        "orders 9.0 0.5 0 2 ms 1.2 s",
        "reports (stopped) 0 0.5 0 2 ms 1.2 s",
        "WHO REFUSES ROUTE REASON BY TIMES",
        "gateway orders-read token_missing shop.yaml:9 3",
        "orders orders-read 403 – 1",
        "of the latest 6 requests",
    ]


def test_what_is_wrong_is_said_above_everything_else(told: Any) -> None:
    weak = {"why": "lab: \x1b[2Jjwt off", "since": 1_795_773_600.0}
    alerts = {"evaluated": True, "why": "", "url": "http://127.0.0.1:9090", "alerts": [FIRING]}
    config = {"override": weak, "last": {"result": "rolled_back"}}
    told.reply("GET", "/now", now(config=config, alerts=alerts))
    identity = "spiffe://gatehouse.local/ns/shop/sa/orders"
    ends = [
        ("public: other", -3.0),
        (f"{identity}2", 20.0),
        (f"{identity}2", 40.0),
        (identity, 300.0),
        ("public: shop", 86_400.0),
    ]
    at = datetime.fromisoformat(now()["time"]).timestamp()
    certificates = [
        {"kind": "identity" if "spiffe" in whose else "listener", "whose": whose, "holder": "", "expires": at + left}
        for whose, left in ends
    ]
    told.reply("GET", "/certificates", {"certificates": certificates})
    shown = lines(told.run("top", "--once").output)
    assert shown[1].endswith(r": lab: \x1b[2Jjwt off")
    assert shown[1].startswith("WEAKENED since ")
    assert shown[2:7] == [
        "The changed file was rolled back: gatehouse check",
        "Certificate of public: other expired 3.0 s ago.",
        f"Certificate of {identity}2 expires in 20.0 s.",
        "Certificate of public: shop expires in 24 h 0 min.",
        "1 alert firing: gatehouse alerts, or http://127.0.0.1:9090/alerts",
    ]
    assert shown[-1].startswith("TransactionsSlow (class room) firing page")
    assert shown[-1].endswith(r"orders: slow \x1b[2J")


def test_a_long_table_says_what_it_leaves_out(told: Any) -> None:
    told.reply("GET", "/now", now(routes=[rates(f"route-{number}", 1.0) for number in range(ROWS + 3)]))
    assert "and 3 more" in lines(told.run("top").output)


def test_the_same_for_programs(told: Any) -> None:
    document = json.loads(told.run("top", "--json").output)
    assert document["total"] == {"rate": 12.25, "refused": 0.5, "failing": 0.0, "p50_ms": 2.0, "p95_ms": 1250.0}
    assert [one["name"] for one in document["routes"]] == ["busy", "slow", ""]
    assert document["refusals"][0] == {
        "decided_by": "gateway", "route": "orders-read", "reason": "token_missing", "policy": "shop.yaml:9", "count": 3
    }  # fmt: skip


def test_without_requests_there_is_nothing_to_divide_by() -> None:
    assert sentence({"rate": 0.0, "refused": 0.0, "failing": 0.0, "p95_ms": None}) == "No requests at the moment."


def test_alerts(installation: Any) -> None:
    installation.reply("GET", "/alerts", NO_ALERTS)
    nobody = installation.run("alerts")
    assert nobody.output == "No alerts are evaluated: no Prometheus runs with this instance.\n"
    assert nobody.exit_code == 1
    installation.reply("GET", "/alerts", {**NO_ALERTS, "evaluated": True, "url": "http://127.0.0.1:9090"})
    silent = installation.run("alerts")
    assert (silent.output, silent.exit_code) == ("No alert fires. Prometheus: http://127.0.0.1:9090/alerts\n", 0)
    installation.reply("GET", "/alerts", {**NO_ALERTS, "evaluated": True, "alerts": [FIRING]})
    shown = lines(installation.run("alerts").output)
    assert shown[0] == "ALERT STATE SEVERITY FOR WHAT"
    assert r"orders: slow \x1b[2J" in shown[1]
    assert json.loads(installation.run("alerts", "--json").output)["alerts"] == [FIRING]


def test_ps_says_that_nobody_looks(installation: Any) -> None:
    installation.answers = [{"processes": []}]
    installation.reply("GET", "/alerts", NO_ALERTS)
    assert "No alerts are evaluated" in installation.run("ps").output


def test_live_it_asks_again_also_while_control_is_restarted(told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(top_module, "console", lambda: Console(file=screen, force_terminal=True, width=100))
    turns = iter(["ask", "away", "back"])

    def turn(_seconds: float) -> None:
        match next(turns, None):
            case "ask":
                told.reply("GET", "/now", now(total=rates("", 99.0)))
            case "away":
                told.reply("GET", "/now", {"detail": "starting"}, status=503)
            case "back":
                told.reply("GET", "/now", now(total=rates("", 55.0)))
            case None:
                raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", turn)
    ended = told.run("top")
    assert ended.exit_code == 0
    seen = [screen.getvalue().find(words) for words in ("12.2 requests/s", "99.0 requests/s", "503", "55.0 requests/s")]
    assert -1 not in seen
    assert seen == sorted(seen)

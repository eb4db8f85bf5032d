from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.cli.processes import wait_until

ORDERS = {
    "name": "orders", "kind": "service", "pid": 4242, "state": "running", "restarts": 1, "uptime_s": 75.0,
    "rss_bytes": 60 * 1_048_576, "pss_bytes": 48 * 1_048_576, "port": 8102, "log": "/x",
    "isolation": "enforced (Landlock 7)",
}  # fmt: skip
STOPPED = {
    **ORDERS,
    "name": "alerts",
    "pid": None,
    "state": "stopped",
    "pss_bytes": None,
    "rss_bytes": None,
    "isolation": None,
}


def test_ps_lists_what_runs_and_gives_a_console_link(installation: Any) -> None:
    installation.answers.append({"processes": [ORDERS, STOPPED]})
    installation.reply("POST", "/console/code", {"code": "once"})
    result = installation.run("ps")
    assert result.exit_code == 0
    rows = [line.split() for line in result.output.splitlines()]
    assert [
        "orders",
        "service",
        "–",
        "4242",
        "running",
        "1",
        "1",
        "min",
        "15",
        "s",
        "48",
        "MiB",
        "8102",
        "enforced",
    ] in rows
    assert ["alerts", "service", "–", "–", "stopped", "1", "–", "–", "8102", "–"] in rows
    assert f"{installation.url}/?key=once" in result.output


def test_ps_says_of_whom_isolation_holds_and_of_whom_not(installation: Any) -> None:
    reason = "not enforced on this host: the kernel has no Landlock"
    rows = [
        ORDERS,
        {**ORDERS, "name": "alerts", "isolation": reason},
        {**ORDERS, "name": "control", "isolation": "none"},
    ]
    installation.answers.append({"processes": rows})
    said = installation.run("ps").output
    assert "8102  not enforced on this host\n" in said
    assert "Isolation enforced (Landlock 7): orders (docs/isolation.md).\n" in said
    assert f"Isolation {reason}: alerts (docs/isolation.md).\n" in said


def test_ps_falls_back_to_the_resident_size(installation: Any) -> None:
    installation.answers.append({"processes": [{**ORDERS, "pss_bytes": None}]})
    assert "60 MiB" in installation.run("ps").output


def test_ps_works_while_control_is_away(installation: Any) -> None:
    installation.answers.append({"processes": [ORDERS]})
    installation.reply("POST", "/console/code", {"reason": "gone"}, status=503)
    result = installation.run("ps")
    assert result.exit_code == 0
    assert "read only: The admin API answered 503: gone" in result.output


def test_ps_for_programs(installation: Any) -> None:
    installation.answers.append({"processes": [ORDERS]})
    assert json.loads(installation.run("ps", "--json").output) == [ORDERS]


@pytest.mark.parametrize(
    ("action", "said"), [("restart", "orders restarted."), ("stop", "orders stopped."), ("start", "orders started.")]
)
def test_changes_are_asked_of_the_supervisor(installation: Any, action: str, said: str) -> None:
    installation.answers.append({"ok": True, "state": "running"})
    result = installation.run(action, "orders")
    assert (result.exit_code, result.output.strip()) == (0, said)
    assert installation.questions == [{"do": action, "name": "orders", "secret": "the-secret-of-this-start"}]


def test_an_unknown_process_is_a_failure_in_the_supervisors_words(installation: Any) -> None:
    installation.answers.append({"error": "no process 'x'; there are: orders"})
    result = installation.run("restart", "x")
    assert result.exit_code == 1
    assert "no process 'x'; there are: orders" in result.output


def test_traffic_is_a_process(installation: Any) -> None:
    installation.answers += [{"ok": True}, {"ok": True}]
    assert "Traffic flows" in installation.run("traffic", "start").output
    assert installation.run("traffic", "stop").exit_code == 0
    asked = [(question["do"], question["name"]) for question in installation.questions]
    assert asked == [("start", "traffic"), ("stop", "traffic")]


@pytest.mark.parametrize("command", ["ps", "down", "routes", "reload"])
def test_without_an_installation_nothing_is_asked(installation: Any, command: str) -> None:
    (installation.state_dir / "instance.json").unlink()
    result = installation.run(command)
    assert result.exit_code == 1
    assert "Nothing runs in" in result.output
    assert "gatehouse up --detach" in result.output


def test_waiting_ends_with_the_condition_or_with_the_time() -> None:
    answers = iter([False, False, True])
    assert wait_until(lambda: next(answers), seconds=60, pause=0)
    assert not wait_until(lambda: False, seconds=0, pause=0)

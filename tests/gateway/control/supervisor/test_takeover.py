"""A supervisor is killed: what it had started goes on, and a successor keeps it alive as before."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.ports import is_free
from gateway.control.supervisor.state_dir import is_locked
from tests.gateway.control.supervisor.instance import Shop, ask, nothing_left

Alive = Callable[[int], bool]
MAY_CHANGE = ("supervisor", "guard", "nursery")
"""The last ends with its supervisor: what starts later does so the ordinary way."""


def wait(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def rows(shop: Shop) -> dict[str, dict[str, Any]] | None:
    try:
        return shop.processes()
    except (OSError, ValueError):
        return None


def kill_supervisor(shop: Shop) -> int:
    """Kill it; returns the successor's pid, once it answers."""
    before = shop.processes()["supervisor"]["pid"]
    os.kill(before, signal.SIGKILL)
    wait(lambda: (now := rows(shop)) and now["supervisor"]["pid"] != before)
    return int(shop.processes()["supervisor"]["pid"])


def pids(shop: Shop, *without: str) -> dict[str, int]:
    return {name: row["pid"] for name, row in shop.processes().items() if row["pid"] and name not in without}


def runs_anew(shop: Shop, name: str, before: int) -> bool:
    row = shop.processes().get(name, {"pid": None, "state": ""})
    return row["pid"] not in (None, before) and row["state"] == "running"


def answers(port: int) -> bool:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return bool(answer.status == 200)


@pytest.mark.parametrize("detach", [True, False], ids=["detached", "attached"])
def test_a_killed_supervisor_is_replaced_and_nobody_else_notices(shop: Shop, detach: bool, alive: Alive) -> None:
    launched, instance = shop.up(detach=detach)
    ask(shop.state, do="start", name="traffic")
    before = pids(shop, *MAY_CHANGE)
    uptime = shop.processes()["orders"]["uptime_s"]
    successor = kill_supervisor(shop)
    wait(lambda: all(row["state"] == "running" for row in shop.processes().values()))
    assert pids(shop, *MAY_CHANGE) == before
    assert shop.processes()["orders"]["uptime_s"] >= uptime
    assert shop.processes()["supervisor"]["restarts"] == 1
    assert answers(instance["ports"]["orders"])
    told = json.loads((shop.state / "instance.json").read_text())
    del told["admin_secret"]
    changed = {"supervisor_pid": successor, "pss_mib": told["pss_mib"]}
    assert told == instance | changed
    everyone = {*pids(shop).values()}
    assert ask(shop.state, do="down") == {"ok": True, "pid": successor}
    if not detach:
        assert launched.follow(shop.events.append) == 0
        assert [event["event"] for event in shop.events if event["event"] in ("took_over", "ended")] == ["took_over"]
    wait(lambda: not alive(successor))
    nothing_left(shop, everyone, instance, alive)


def test_the_successor_restarts_what_dies(shop: Shop, alive: Alive) -> None:
    _, instance = shop.up()
    kill_supervisor(shop)
    for name in ("orders", "redis", "gateway-1", "guard"):
        before = shop.processes()[name]["pid"]
        os.kill(before, signal.SIGKILL)
        wait(partial(runs_anew, shop, name, before))
    assert answers(instance["ports"]["orders"])
    assert shop.processes()["orders"]["restarts"] == 1
    assert "unknown" in shop.processes()["orders"]["last_exit"]
    assert ask(shop.state, do="restart", name="orders") == {"ok": True, "state": "running"}


def test_a_second_kill_is_survived_too_with_restarts_counted_on(shop: Shop) -> None:
    shop.up()
    orders = shop.processes()["orders"]["pid"]
    os.kill(orders, signal.SIGKILL)
    wait(lambda: pids(shop).get("orders", orders) != orders)
    kept = pids(shop, *MAY_CHANGE)
    kill_supervisor(shop)
    kill_supervisor(shop)
    assert pids(shop, *MAY_CHANGE) == kept
    assert shop.processes()["orders"]["restarts"] == 1
    assert shop.processes()["supervisor"]["restarts"] == 2


def test_what_was_stopped_on_purpose_stays_stopped(shop: Shop) -> None:
    shop.up()
    ask(shop.state, do="stop", name="orders")
    ask(shop.state, do="stop", name="gateway-1")
    ask(shop.state, do="start", name="gateway-1")
    for _ in range(2):
        kill_supervisor(shop)
        wait(lambda: runs_anew(shop, "gateway-1", before=0))
        assert shop.processes()["orders"]["state"] == "stopped"
    assert ask(shop.state, do="start", name="orders") == {"ok": True, "state": "running"}


def test_the_directory_stays_locked_between_two_supervisors(shop: Shop) -> None:
    launched, _ = shop.up()
    os.kill(launched.process.pid, signal.SIGKILL)
    launched.process.wait()
    with pytest.raises(CannotStart, match="already running"):
        shop.up()


def test_who_is_killed_again_and_again_ends_everything(
    shop: Shop, alive: Alive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_ORDERS", "stubborn")
    _, instance = shop.up()
    everyone = {*pids(shop, "guard").values()}
    kill_supervisor(shop)
    os.kill(kill_supervisor(shop), signal.SIGKILL)
    wait(lambda: not is_locked(shop.state) and not any(alive(pid) for pid in everyone))
    assert all(is_free(port) for port in instance["ports"].values())
    _, again = shop.up(port_base=instance["ports"]["public"])
    assert again["ports"] == instance["ports"]


def test_a_supervisor_killed_with_its_guard_leaves_nothing_that_listens_to_its_lifeline(
    shop: Shop, alive: Alive
) -> None:
    _, instance = shop.up(redis=False)
    everyone = shop.processes()
    for name in ("guard", "supervisor"):
        os.kill(everyone[name]["pid"], signal.SIGSTOP)  # so that none can act before the other is gone
    for name in ("guard", "supervisor"):
        os.kill(everyone[name]["pid"], signal.SIGKILL)
    wait(lambda: not any(alive(row["pid"]) for row in everyone.values() if row["pid"]))
    assert all(is_free(port) for port in instance["ports"].values())


def test_a_terminal_that_goes_with_its_supervisor_ends_everything(shop: Shop, alive: Alive) -> None:
    launched, instance = shop.up()
    everyone = {*pids(shop).values()}
    os.kill(launched.process.pid, signal.SIGKILL)
    launched.close()  # what the kernel does when the command is killed, too
    wait(lambda: not any(alive(pid) for pid in everyone))
    wait(lambda: not is_locked(shop.state))
    nothing_left(shop, everyone, instance, alive)

"""A whole instance in real processes; control, workers and services are tiny stand-ins, Redis is real."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.ports import BLOCK, is_free
from gateway.control.supervisor.readiness import RedisProbe, until_ready
from gateway.control.supervisor.redis_server import find_binary
from gateway.control.supervisor.resp import RedisAddress
from gateway.control.supervisor.resp import ask as ask_redis
from tests.gateway.control.supervisor.instance import CONFIG, Shop, ask, family, nothing_left

Until = Callable[..., Awaitable[None]]


def test_up_tells_how_it_goes_and_down_leaves_nothing(shop: Shop, alive: Callable[[int], bool]) -> None:
    launched, instance = shop.up()
    assert [event["event"] for event in shop.events][:2] == ["checking", "note"]
    assert {event["name"] for event in shop.events if event["event"] == "ready"} == {
        "redis", "control", "gateway-1", "gateway-2", "orders",
    }  # fmt: skip
    written = json.loads((shop.state / "instance.json").read_text())
    assert stat.S_IMODE((shop.state / "instance.json").stat().st_mode) == 0o600
    assert len(written.pop("admin_secret")) >= 32
    assert written == instance
    assert instance["supervisor_pid"] == launched.process.pid
    assert 0 < instance["ready_seconds"] < 20
    assert set(instance["ports"]) == {"public", "admin", "collector", "redis", "orders"}
    pids = family(launched.process.pid)
    assert len(pids) == 7 + (
        sys.platform == "linux"
    )  # supervisor, guard, Redis, control, two workers, orders; a nursery
    assert ask(shop.state, do="down") == {"ok": True, "pid": launched.process.pid}
    assert launched.follow(shop.events.append) == 0
    assert shop.events[-1]["event"] == "stopped"
    nothing_left(shop, pids, instance, alive)


def test_no_secret_is_in_arguments_environment_or_logs(shop: Shop) -> None:
    launched, _ = shop.up()
    installation = json.loads((shop.state / "installation.json").read_text())
    secrets = [secret for kind in installation.values() for secret in kind.values()]
    secrets.append(json.loads((shop.state / "instance.json").read_text())["admin_secret"])
    assert len(secrets) == 5
    seen = [json.dumps(shop.events), *(path.read_text() for path in (shop.state / "logs").iterdir())]
    for pid in family(launched.process.pid):
        seen += [*psutil.Process(pid).cmdline(), *psutil.Process(pid).environ().values()]
    assert not [secret for secret in secrets if secret in "\n".join(seen)]


def test_every_child_leads_its_own_session(shop: Shop) -> None:
    launched, _ = shop.up()
    for pid in family(launched.process.pid) - {launched.process.pid}:
        assert os.getsid(pid) == pid


def test_processes_are_stopped_started_and_restarted_by_name(shop: Shop) -> None:
    shop.up()
    before = shop.processes()
    assert ask(shop.state, do="stop", name="orders") == {"ok": True, "state": "stopped"}
    assert shop.processes()["orders"]["state"] == "stopped"
    assert ask(shop.state, do="start", name="orders") == {"ok": True, "state": "running"}
    assert ask(shop.state, do="start", name="traffic") == {"ok": True, "state": "running"}
    assert ask(shop.state, do="restart", name="gateway") == {"ok": True, "state": "running"}
    after = shop.processes()
    assert {name for name in before if before[name]["pid"] != after[name]["pid"]} == {
        "orders", "traffic", "gateway-1", "gateway-2",
    }  # fmt: skip
    assert "no process 'x'" in ask(shop.state, do="stop", name="x")["error"]
    assert "error" in ask(shop.state, do="dance")
    assert "error" in ask(shop.state, do="stop", name=["orders"])


def test_a_process_that_cannot_be_started_by_name_says_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_TRAFFIC", "exit")
    shop.up()
    assert "traffic does not stay up (exit code 3)" in ask(shop.state, do="start", name="traffic")["error"]
    assert ask(shop.state, do="stop", name="traffic") == {"ok": True, "state": "stopped"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_in_order(shop: Shop, number: int, alive: Callable[[int], bool]) -> None:
    launched, instance = shop.up()
    pids = family(launched.process.pid)
    launched.process.send_signal(number)
    assert launched.follow(shop.events.append) == 0
    nothing_left(shop, pids, instance, alive)
    assert not any(event["event"] == "ended" for event in shop.events)


def test_a_signal_during_the_start_stops_too(
    shop: Shop, alive: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_ORDERS", "deaf")
    launched = shop.start()
    pids: set[int] = set()

    def stop_at_start(event: dict[str, Any]) -> None:
        if event["event"] == "started" and event["name"] == "orders":
            pids.update(family(launched.process.pid))
            launched.process.send_signal(signal.SIGINT)

    assert launched.follow(stop_at_start) == 0
    assert len(pids) > 3
    assert [pid for pid in pids if alive(pid)] == []


def test_a_command_that_is_gone_stops_an_attached_instance_not_a_detached_one(
    shop: Shop, alive: Callable[[int], bool]
) -> None:
    detached, _ = shop.up(detach=True)
    detached.close()
    assert ask(shop.state, do="ps")["processes"]
    ask(shop.state, do="down")
    detached.process.wait(20)
    attached, instance = shop.up()
    pids = family(attached.process.pid)
    attached.close()  # what the kernel does when the command is killed
    assert attached.process.wait(20) == 0
    nothing_left(shop, pids, instance, alive)


def test_ctrl_c_in_a_terminal_reaches_command_and_supervisor_and_all_ends_in_order(
    shop: Shop, alive: Callable[[int], bool]
) -> None:
    """As a terminal does it: SIGINT to the whole foreground process group."""
    code = (
        "import json, sys, time\n"
        "from gateway.control.supervisor import launch\n"
        "from gateway.control.supervisor.options import Options\n"
        "launched = launch.start(Options(**json.loads(sys.argv[1])), detach=False)\n"
        "launched.until_up(lambda event: None)\n"
        "try:\n"
        "    print(launched.process.pid, flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(launched.follow(lambda event: print(event['event'], flush=True)))\n"
    )
    options = {
        "state_dir": str(shop.state), "config": str(shop.config), "manifest": str(shop.manifest), "port_base": 0,
        "control_module": "tiny_service", "worker_module": "tiny_service",
    }  # fmt: skip
    with subprocess.Popen(
        [sys.executable, "-c", code, json.dumps(options)], stdout=subprocess.PIPE, start_new_session=True
    ) as command:
        assert command.stdout
        supervisor = int(command.stdout.readline())
        pids = family(supervisor)
        os.killpg(command.pid, signal.SIGINT)
        assert command.stdout.read().split()[-1] == b"stopped"
        assert command.wait(20) == 0
    assert [pid for pid in pids if alive(pid)] == []


def test_following_is_not_cut_short_by_ctrl_c(shop: Shop) -> None:
    launched, _ = shop.up()

    def interrupt_once(event: dict[str, Any]) -> None:
        shop.events.append(event)
        if event["event"] == "stopping":
            raise KeyboardInterrupt

    launched.stop()
    assert launched.follow(interrupt_once) == 0
    assert shop.events[-1]["event"] == "stopped"


def test_a_second_instance_on_the_same_directory_is_refused(shop: Shop) -> None:
    first, _ = shop.up()
    with pytest.raises(CannotStart, match=rf"already running .*supervisor pid {first.process.pid}") as refused:
        shop.up()
    assert refused.value.exit_code == 2
    assert shop.processes()["orders"]["state"] == "running"


def test_a_port_in_use_starts_nothing_and_names_the_holder(shop: Shop) -> None:
    base = free_block()
    with socket.create_server(("127.0.0.1", base + 4)):
        with pytest.raises(CannotStart) as refused:
            shop.up(port_base=base)
        assert f"port {base + 4} (orders) is in use by" in str(refused.value)
        assert f"(pid {os.getpid()})" in str(refused.value)
    assert refused.value.exit_code == 2
    assert shop.launched[0].process.returncode == 2
    assert not any(event["event"] == "started" for event in shop.events)


def free_block() -> int:
    return next(base for base in range(11_000, 30_000, BLOCK) if all(is_free(base + n) for n in range(BLOCK)))


def test_a_bad_configuration_is_refused_with_its_line(shop: Shop) -> None:
    shop.config.write_text(CONFIG + "workerz: 3\n")
    with pytest.raises(CannotStart, match=r"(?s)gateway\.yaml.*workerz") as refused:
        shop.up()
    assert refused.value.exit_code == 2
    assert not any(event["event"] == "started" for event in shop.events)


def test_nothing_runs_on_when_the_configuration_is_refused(shop: Shop, alive: Callable[[int], bool]) -> None:
    shop.config.write_text("listeners: 3\n")
    launched = shop.start()
    seen: set[int] = set()
    while launched.process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen |= family(launched.process.pid)
    assert len(seen) > 2  # the control process was started before the configuration was read
    assert [pid for pid in seen if alive(pid)] == []


def test_a_service_that_cannot_start_ends_everything(
    shop: Shop, alive: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_ORDERS", "exit")
    with pytest.raises(CannotStart, match=r"(?s)orders does not stay up \(exit code 3\).*orders says hello") as failed:
        shop.up()
    assert failed.value.exit_code == 1
    started = {event["pid"] for event in shop.events if event["event"] == "started"}
    assert len(started) > 4
    assert [pid for pid in started if alive(pid)] == []
    assert not (shop.state / "supervisor.sock").exists()


def test_the_gateway_alone_without_redis(shop: Shop) -> None:
    _, instance = shop.up(manifest=None, redis=False)
    assert set(instance["ports"]) == {"public", "admin", "collector"}
    assert {name for name, row in shop.processes().items() if row["kind"] != "supervisor"} == {
        "control", "gateway-1", "gateway-2",
    }  # fmt: skip


def test_the_gateway_alone_with_a_redis_that_its_configuration_asks_for(shop: Shop) -> None:
    shop.config.write_text(CONFIG + "stores: [{name: shared, service: redis}]\n")
    _, instance = shop.up(manifest=None, redis=False)
    assert "redis" in instance["ports"]
    assert shop.processes()["redis"]["state"] == "running"


def test_where_spans_go_is_written_down_without_credentials(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@127.0.0.1:14318/x")
    _, instance = shop.up(manifest=None, redis=False)
    assert instance["spans_to"] == "http://127.0.0.1:14318/x"
    shop.launched[0].stop()
    shop.launched[0].follow(shop.events.append)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT")
    _, instance = shop.up(manifest=None, redis=False)
    assert instance["spans_to"] == instance["collector_url"]


def test_an_installation_keeps_its_passwords(shop: Shop) -> None:
    first, _ = shop.up()
    made = (shop.state / "installation.json").read_text()
    first.stop()
    first.follow(shop.events.append)
    shop.up()
    assert (shop.state / "installation.json").read_text() == made


def test_no_worker_starts_from_the_last_good_configuration_of_an_earlier_instance(shop: Shop) -> None:
    shop.state.mkdir(mode=0o700)
    stale = shop.state / "last-good.json"
    stale.write_text('{"version": 7, "spec": {}, "endpoints": {}}')
    shop.up(manifest=None, redis=False)
    assert not stale.exists()
    stale.write_text('{"version": 1, "spec": {}, "endpoints": {}}')  # of this one: what workers take without control
    ask(shop.state, do="restart", name="control")
    ask(shop.state, do="restart", name="gateway-1")
    assert stale.exists()


def test_the_lock_is_free_after_the_end(shop: Shop) -> None:
    launched, _ = shop.up()
    launched.stop()
    launched.follow(shop.events.append)
    with (shop.state / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_redis_that_runs_already_is_used_and_left_as_it_was(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free_port: int
) -> None:
    command = [
        find_binary().path,
        "--port",
        str(free_port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(tmp_path),
        "--save",
        "",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as foreign:
        try:
            asyncio.run(asyncio.wait_for(until_ready(RedisProbe(RedisAddress("127.0.0.1", free_port))), 10))
            monkeypatch.setenv("GATEHOUSE_REDIS_URL", f"redis://127.0.0.1:{free_port}")
            launched, instance = shop.up()
            assert "redis" not in instance["ports"]
            assert "redis" not in shop.processes()
            assert acl_users(free_port) == ["default", "gatehouse-gateway", "gatehouse-orders"]
            launched.stop()
            assert launched.follow(shop.events.append) == 0
            assert acl_users(free_port) == ["default"]
        finally:
            foreign.terminate()
    with pytest.raises(CannotStart, match=r"GATEHOUSE_REDIS_URL: .* does not answer"):
        shop.up()


def acl_users(port: int) -> list[str]:
    (users,) = asyncio.run(ask_redis(RedisAddress("127.0.0.1", port), ("ACL", "USERS")))
    assert isinstance(users, list)
    return sorted(str(user) for user in users)

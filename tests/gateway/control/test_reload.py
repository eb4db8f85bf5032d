"""One configuration for all workers: a bad one keeps the old one, everywhere and in every report."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.control.reload import Reloader
from gateway.control.servers import Control
from gateway.control.settings import ControlSettings


def replace(path: Path, text: str) -> None:
    """Save as editors do: a new file, renamed over the old one."""
    fresh = path.with_suffix(".tmp")
    fresh.write_text(text)
    fresh.replace(path)


def edit(config: Path, old: str, new: str) -> None:
    """Replace a word."""
    text = config.read_text()
    assert old in text
    replace(config, text.replace(old, new, 1))


def saved(config: Path) -> tuple[dict[str, Any], int]:
    """The saved configuration and the file's mode; nothing unfinished may lie beside it."""
    assert not list(config.parent.glob("*.new"))
    file = config.parent / "last-good.json"
    return json.loads(file.read_text()), stat.S_IMODE(file.stat().st_mode)


async def test_a_worker_gets_the_configuration_when_it_comes(instance: Any) -> None:
    assert (await instance.get("/readyz", status=503))["reason"] == "workers_not_ready"
    worker = await instance.worker()
    assert worker.versions == [1]
    await instance.until(instance.plane.reloader.ready)
    assert (await instance.get("/readyz"))["workers"][0]["version"] == 1


async def test_a_change_reaches_every_worker_and_is_saved(instance: Any, config: Path) -> None:
    workers = [await instance.worker("gateway-1", 1), await instance.worker("gateway-2", 2)]
    edit(config, "/orders", "/bestellungen")
    result = await instance.post("/reload")
    assert (result["result"], result["version"], result["trigger"]) == ("accepted", 2, "request")
    assert {ack["worker"] for ack in result["workers"]} == {"gateway-1", "gateway-2"}
    assert [worker.versions for worker in workers] == [[1, 2], [1, 2]]
    message, mode = saved(config)
    assert mode == 0o600
    assert message["version"] == 2
    assert message["spec"]["routes"][0]["matches"][0]["path"]["value"] == "/bestellungen"
    assert message["endpoints"] == {"orders": ["127.0.0.1:8102"]}


async def test_a_broken_file_keeps_the_old_configuration(instance: Any, config: Path) -> None:
    worker = await instance.worker()
    edit(config, "public: true", "publik: true")
    refused = await instance.post("/reload", status=422)
    assert refused["reason"] == "config_rejected"
    assert "shop.yaml:7" in refused["detail"]
    assert 'did you mean "public"' in refused["detail"]
    assert worker.versions == [1]
    document = await instance.get("/config")
    assert document["version"] == 1
    assert document["history"][0]["result"] == "rejected"
    async with instance.http.get(instance.url + "/metrics") as response:
        text = await response.text()
    assert 'gateway_config_reloads_total{result="rejected"} 1.0' in text
    assert "gateway_config_last_reload_success 0.0" in text
    assert "gateway_config_version 1.0" in text


async def test_other_listeners_need_a_restart(instance: Any, config: Path) -> None:
    await instance.worker()
    edit(config, "18088", "18089")
    refused = await instance.post("/reload", status=422)
    assert "-public 127.0.0.1:18088, +public 127.0.0.1:18089" in refused["detail"]
    assert "needs a restart" in refused["detail"]


async def test_more_workers_are_accepted_with_a_note(instance: Any, config: Path) -> None:
    await instance.worker()
    edit(config, "listeners:", "workers: 3\nlisteners:")
    assert (await instance.post("/reload"))["notes"] == ["workers: 2 → 3 takes effect after a restart"]


async def test_the_same_again_changes_nothing(instance: Any) -> None:
    worker = await instance.worker()
    assert (await instance.post("/reload"))["result"] == "unchanged"
    assert worker.versions == [1]


async def test_one_worker_rejects_and_all_go_back(instance: Any, config: Path) -> None:
    willing = await instance.worker("gateway-1", 1)
    await instance.worker("gateway-2", 2, reject=lambda snapshot: "too steep" if snapshot["version"] == 2 else None)
    await instance.until(instance.plane.reloader.ready)
    edit(config, "/orders", "/elsewhere")
    refused = await instance.post("/reload", status=409)
    assert refused["reason"] == "config_rolled_back"
    assert "gateway-2: too steep" in refused["detail"]
    await willing.saw(1)
    assert willing.versions == [1, 2, 1]
    await instance.until(instance.plane.reloader.ready)
    assert (await instance.get("/config"))["version"] == 1
    assert saved(config)[0]["version"] == 1


async def test_a_worker_that_does_not_answer_stops_a_reload(instance: Any, config: Path) -> None:
    instance.plane.reloader._ack_seconds = 0.1
    worker = await instance.worker()
    worker.silent = True
    edit(config, "/orders", "/elsewhere")
    refused = await instance.post("/reload", status=409)
    assert "gateway-1: no answer within 0.1 s" in refused["detail"]
    assert (await instance.get("/config"))["version"] == 1


async def test_a_worker_that_dies_does_not_hold_up_a_reload(instance: Any, config: Path) -> None:
    await instance.worker("gateway-1", 1)
    dying = await instance.worker("gateway-2", 2)
    dying.silent = True
    edit(config, "/orders", "/elsewhere")
    asked = asyncio.create_task(instance.post("/reload"))
    await dying.saw(2)
    await dying.close()
    result = await asked
    assert [ack["worker"] for ack in result["workers"]] == ["gateway-1"]


async def test_an_edited_file_is_noticed(instance: Any, config: Path) -> None:
    worker = await instance.worker()
    edit(config, "/orders", "/renamed-over")
    await worker.saw(2)
    await instance.until(lambda: len(instance.plane.reloader.history) == 2)
    assert instance.plane.reloader.history[0].trigger == "file"


async def test_a_restart_goes_on_with_the_number(settings: ControlSettings, config: Path, instance: Any) -> None:
    await instance.worker()
    edit(config, "/orders", "/elsewhere")
    await instance.post("/reload")
    await instance.control.stop()
    reloader = await restarted(settings, instance)
    assert reloader.current is not None
    assert (reloader.current.version, reloader.history[0].result) == (2, "unchanged")


async def test_a_restart_with_a_broken_file_serves_the_last_good_one(
    settings: ControlSettings, config: Path, instance: Any
) -> None:
    await instance.worker()
    await instance.until(lambda: instance.plane.reloader.good is not None)
    await instance.control.stop()
    replace(config, "listeners: [")
    reloader = await restarted(settings, instance)
    assert reloader.current is not None
    assert (reloader.current.version, reloader.history[0].result) == (1, "rejected")


async def restarted(settings: ControlSettings, instance: Any) -> Reloader:
    control = Control(settings, instance.plane.reloader.source.load)
    await control.start()
    await control.stop()
    return control.plane.reloader


async def test_nothing_usable_is_an_error_at_the_start(settings: ControlSettings, config: Path, instance: Any) -> None:
    await instance.control.stop()
    replace(config, "listeners: [")
    with pytest.raises(RuntimeError, match="no usable configuration"):
        await restarted(settings, instance)


async def test_an_unreadable_last_good_file_is_not_believed(
    settings: ControlSettings, config: Path, instance: Any, caplog: pytest.LogCaptureFixture
) -> None:
    await instance.control.stop()
    replace(config.parent / "last-good.json", '{"version": 7}')
    reloader = await restarted(settings, instance)
    assert reloader.current is not None
    assert reloader.current.version == 1
    assert "cannot be read" in caplog.text

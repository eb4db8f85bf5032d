"""The real process, started as the supervisor starts it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _start(settings: dict[str, Any], log: Path) -> subprocess.Popen[bytes]:
    read_end, write_end = os.pipe()
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "sample_services.traffic", "--settings-fd", str(read_end)],
            stderr=stderr,
            pass_fds=[read_end, *([settings["lifeline_fd"]] if settings.get("lifeline_fd") else [])],
        )
    os.close(read_end)
    with os.fdopen(write_end, "wb") as pipe:
        pipe.write(json.dumps(settings).encode())
    return process


def _settings(shop: Any, tmp_path: Path) -> dict[str, Any]:
    users = {name: f"pw-{name}" for name in ("alice", "bob", "carol")}
    return {
        "service": "traffic",
        "instance": "traffic-1",
        "data_dir": str(tmp_path),
        "public_url": shop.url,
        "secrets": {"users": users, "clients": {"partner": "secret"}},
    }


async def _some_requests(shop: Any) -> None:
    async with asyncio.timeout(20):
        while len(shop.seen) < 5:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("end", ["signal", "lifeline"])
async def test_it_visits_until_it_is_told_to_stop(shop: Any, tmp_path: Path, end: str) -> None:
    log, (lifeline, held) = tmp_path / "log", os.pipe()
    process = _start({**_settings(shop, tmp_path), "lifeline_fd": lifeline}, log)
    os.close(lifeline)
    try:
        await _some_requests(shop)
        if end == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            os.close(held)
        assert await asyncio.to_thread(process.wait, 5) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if end == "signal":
            os.close(held)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert lines[-1]["message"] == "traffic"
    assert lines[-1]["requests"] >= 4
    assert set(lines[-1]["statuses"]) <= {"200", "201", "401", "403"}
    assert "pw-" not in log.read_text()
    assert "user-token" not in log.read_text()


def test_bad_settings_end_it_at_once(tmp_path: Path) -> None:
    process = _start({"service": "traffic"}, tmp_path / "log")
    assert process.wait(10) == 2
    assert "settings are not valid" in (tmp_path / "log").read_text()

"""The banner's truth: what is weakened, since when, and what is only tried."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.control.defence import MAX_NOTES, defence, noted
from gateway.control.reload import Override


async def test_defended_until_something_is_noted_or_stands_in(instance: Any, state_dir: Path) -> None:
    assert defence(instance.plane) == {"weakened": [], "trial": None}
    (state_dir / "lab.json").write_text(json.dumps({"broken": ["api1-bola", "soap-xxe"], "since": {"soap-xxe": 5.0}}))
    instance.plane.reloader.override = Override("text", "api1-bola", time.time())
    told = defence(instance.plane)["weakened"]
    assert [one["what"] for one in told] == ["soap-xxe", "api1-bola"]
    assert told[0]["since"] == 5.0
    assert told[1]["since"] == pytest.approx(time.time(), abs=60)


async def test_a_tap_of_the_lab_is_a_weakness_and_a_trial_is_none(instance: Any) -> None:
    instance.plane.reloader.override = Override("text", "a tap on the way to orders", 7.0)
    assert defence(instance.plane)["weakened"] == [{"what": "a tap on the way to orders", "since": 7.0}]
    instance.plane.reloader.override = Override("text", "tried in the console", 7.0, trial=True)
    told = defence(instance.plane)
    assert told["weakened"] == []
    assert told["trial"]["why"] == "tried in the console"


@pytest.mark.parametrize("text", ["", "{", "x" * (MAX_NOTES + 1)], ids=["empty", "half", "huge"])
def test_notes_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lab.json"
    path.write_text(text)
    assert noted(path) == {}

"""The configuration as a text: who may read it, what is wrong or different, trying it, going back."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from gateway.control.kept_texts import KEPT, Kept, KeptTexts, meaning_diff, text_diff
from gateway.control.reload import Override
from tests.gateway.control.conftest import CONFIG, SECRET

OTHER = CONFIG.replace("value: /orders", "value: /other")
BEARER = {"Authorization": f"Bearer {SECRET}"}


async def text(instance: Any) -> Any:
    return await instance.get("/config/text", **BEARER)


async def test_the_text_is_for_those_who_may_change_it(instance: Any) -> None:
    await instance.get("/config/text", status=401)
    told = await text(instance)
    assert told["text"] == CONFIG
    assert told["override"] is None


async def test_what_a_text_would_change_is_told_and_nothing_is_changed(instance: Any) -> None:
    told = await instance.post("/config/check", {"text": OTHER})
    assert told["ok"] is True
    assert told["changes"] == ["route orders: changed"]
    assert "+    matches: [{path: {value: /other}}]" in told["diff"]
    moved = await instance.post("/config/check", {"text": "# a comment\n" + CONFIG})
    assert (moved["ok"], moved["changes"], len(moved["diff"]) > 0) == (True, [], True)
    wrong = await instance.post("/config/check", {"text": CONFIG.replace("cluster: orders", "cluster: oders")})
    assert wrong["ok"] is False
    assert any("oders" in error for error in wrong["errors"])
    assert (await text(instance))["text"] == CONFIG


async def test_a_trial_is_in_force_until_somebody_goes_back(instance: Any, config: Path) -> None:
    worker = await instance.worker()
    first = instance.plane.reloader.current.version
    tried = await instance.post("/config/try", {"text": OTHER})
    assert (tried["result"], worker.version) == ("accepted", first + 1)
    assert await asyncio.to_thread(config.read_text) == CONFIG
    assert (await text(instance))["override"]["trial"] is True
    kept = (await text(instance))["kept"]
    assert [(one["version"], one["why"]) for one in kept] == [(first + 1, "tried in the console"), (first, "the file")]
    back = await instance.post("/config/back", {"version": first})
    assert (back["result"], worker.version) == ("accepted", first + 2)
    assert (await text(instance))["override"] is None
    await instance.post("/config/back", {"version": 99}, status=404)


async def test_back_to_a_text_that_the_file_no_longer_has_is_a_trial(instance: Any, config: Path) -> None:
    await instance.worker()
    first = instance.plane.reloader.current.version
    await asyncio.to_thread(config.write_text, OTHER)
    await instance.post("/reload")
    await instance.post("/config/back", {"version": first})
    told = await text(instance)
    assert told["text"] == CONFIG
    assert told["override"]["why"] == f"back to version {first}"


async def test_what_workers_refuse_is_not_in_force(instance: Any) -> None:
    await instance.worker(reject=lambda snapshot: "no")
    await instance.post("/config/try", {"text": OTHER}, status=409)
    assert (await text(instance))["override"] is None
    assert (await text(instance))["text"] == CONFIG


async def test_nothing_is_tried_while_the_lab_has_weakened_something(instance: Any) -> None:
    instance.plane.reloader.override = Override(OTHER, "api1-bola", time.time())
    refused = await instance.post("/config/try", {"text": CONFIG + "\n"}, status=409)
    assert refused["reason"] == "weakened"
    await instance.post("/reload")
    assert all(one["why"] == "the file" for one in (await text(instance))["kept"])


async def test_bodies_are_bounded_and_strict(instance: Any) -> None:
    for body in ({}, {"text": ""}, {"text": 5}, {"text": "x", "why": "y"}):
        await instance.post("/config/check", body, status=422)
    await instance.post("/config/back", {"version": "1"}, status=422)


def test_only_the_latest_texts_are_kept_and_one_of_each_version() -> None:
    kept = KeptTexts()
    for version in range(1, KEPT + 4):
        kept.add(Kept(version, "now", "the file", f"text {version}"))
        kept.add(Kept(version, "now", "the file", f"text {version}, other words"))
    assert [one["version"] for one in kept.view()] == list(range(KEPT + 3, 3, -1))
    found = kept.get(KEPT + 3)
    assert found is not None
    assert found.text.endswith("other words")
    kept.add(Kept(99, "now", "the file", found.text))
    assert [one["version"] for one in kept.view()][:2] == [99, KEPT + 2]


def test_differences_in_words_and_in_meaning() -> None:
    assert text_diff("a\nb", "a\nc")[-2:] == ["-b", "+c"]
    before = {"routes": [{"name": "a", "where": "x:1"}, {"name": "b"}], "filters": [{"type": "CORS"}], "workers": 2}
    after = {"routes": [{"name": "a", "where": "x:9"}, {"name": "c"}], "filters": [], "workers": 3}
    assert meaning_diff(before, after) == [
        "filter CORS 1: gone",
        "route c: new",
        "route b: gone",
        "workers: changed",
    ]

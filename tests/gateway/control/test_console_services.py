"""What the console does to services: only what is known, only by those who may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
import yarl

from gateway.control.log_files import MORE_BYTES, more_lines
from gateway.control.views.logs import MAX_LINE

SECRET = "admin-secret-of-this-start"

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m"


@pytest.mark.parametrize(
    ("action", "body", "asked"),
    [
        ("scale", {"copies": 3}, {"copies": 3}),
        ("deploy", {"version": "v2"}, {"version": "v2"}),
        ("deploy", {"version": "v2", "canary": {"weight": 10}}, {"version": "v2", "canary": {"weight": 10}}),
        ("promote", {}, {}),
        ("rollback", {}, {}),
        ("crash", None, {}),
    ],
)
async def test_changes_are_passed_on(instance: Any, supervisor: Any, action: str, body: Any, asked: Any) -> None:
    await instance.get("/services")
    supervisor.asked.clear()
    await instance.post(f"/services/orders/{action}", body)
    assert supervisor.asked == [{"do": action, "name": "orders", **asked}]


@pytest.mark.parametrize(
    ("path", "body", "status", "reason"),
    [
        ("orders/scale", {"copies": 17}, 422, "invalid_body"),
        ("orders/scale", {"copies": "3"}, 422, "invalid_body"),
        ("orders/deploy", {}, 422, "invalid_body"),
        ("orders/deploy", {"version": "v2", "path": "/tmp/evil"}, 422, "invalid_body"),
        ("orders/deploy", {"version": "v2", "module": "os"}, 422, "invalid_body"),
        ("orders/deploy", {"version": "../x"}, 422, "invalid_body"),
        ("orders/promote", {"version": "v2"}, 422, "invalid_body"),
        ("nobody/scale", {"copies": 2}, 404, "no_such_service"),
        ("control/stop", None, 409, "not_from_here"),
        ("supervisor/crash", None, 409, "not_from_here"),
    ],
)
async def test_what_is_refused_never_reaches_the_supervisor(
    instance: Any, supervisor: Any, path: str, body: Any, status: int, reason: str
) -> None:
    await instance.get("/services")
    supervisor.asked.clear()
    assert (await instance.post(f"/services/{path}", body, status=status))["reason"] == reason
    assert [one for one in supervisor.asked if one["do"] != "ps"] == []


async def test_known_versions_are_asked_of_the_supervisor(instance: Any, supervisor: Any) -> None:
    supervisor.answer = json.dumps({"services": {"orders": {"known": ["v1", "v2"]}}, "most": 16})
    assert (await instance.get("/services/versions"))["services"]["orders"]["known"] == ["v1", "v2"]


async def test_a_log_is_read_by_those_who_may_and_only_from_its_folder(instance: Any) -> None:
    folder = instance.settings.state_dir / "logs"
    folder.mkdir()
    (folder / "orders.log").write_text(f"first\n{HOSTILE}\n" + "x" * 10_000 + "\nhalf")
    (instance.settings.state_dir / "installation.log").write_text("secret")
    told = await instance.authorized("/logs/orders?lines=2")
    assert told["lines"] == [HOSTILE, "x" * MAX_LINE]
    with (folder / "orders.log").open("a") as file:
        file.write(" done\nmore\n")
    assert (await instance.authorized(f"/logs/orders?after={told['position']}"))["lines"] == ["half done", "more"]
    assert (await instance.authorized("/logs/traffic"))["lines"] == []
    assert (await instance.get("/logs/orders", status=401))["reason"] == "secret_required"
    for name in ("..%2Finstallation", "%2e%2e%2finstallation", "..", ".", "Orders", "a%00"):
        async with instance.http.get(
            yarl.URL(f"{instance.url}/logs/{name}", encoded=True), headers={"Authorization": f"Bearer {SECRET}"}
        ) as response:
            assert response.status == 404, name
    assert (await instance.authorized("/logs/orders?after=-1", status=400))["reason"] == "invalid_query"


def test_a_log_that_was_cut_is_read_anew(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("one\ntwo\n")
    _, position = more_lines(log, 0)
    log.write_text("new\n")
    assert more_lines(log, position) == (["new"], 4)


def test_an_endless_line_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"x" * (MORE_BYTES + 10) + b"\nnext\n")
    lines, position = more_lines(log, 0)
    assert (lines, position) == ([], MORE_BYTES)
    assert more_lines(log, position)[0] == ["x" * 10, "next"]


async def test_faults_are_planted_and_taken_out(instance: Any) -> None:
    await instance.worker()
    file = instance.settings.config.read_text()
    await instance.post("/faults/orders", {"delay": {"percent": 50, "ms": 800}}, method="PUT")
    (route,) = (await instance.get("/faults"))["routes"]
    assert route["faults"]["delay"]["percent"] == 50
    override = instance.plane.override
    assert yaml.safe_load(override.text)["routes"][0]["faults"] == {"delay": {"percent": 50, "duration": "800ms"}}
    assert override.why == "planted faults: orders"
    await instance.post("/faults/orders", {"abort": {"percent": 30, "status": 503}}, method="PUT")
    assert yaml.safe_load(instance.plane.override.text)["routes"][0]["faults"] == {
        "abort": {"percent": 30, "status": 503}
    }
    await instance.post("/faults/orders", method="DELETE")
    assert instance.plane.override is None
    await instance.post("/faults/orders", {"abort": {"percent": 30, "status": 503}}, method="PUT")
    await instance.post("/faults", method="DELETE")
    assert instance.plane.override is None
    assert instance.settings.config.read_text() == file


async def test_nothing_is_planted_where_the_lab_is_at_work(instance: Any) -> None:
    await instance.worker()
    lab = {"text": instance.settings.config.read_text(), "why": "api5-bfla"}
    await instance.post("/override", lab, method="PUT")
    planted = {"abort": {"percent": 30, "status": 503}}
    told = await instance.post("/faults/orders", planted, method="PUT", status=409)
    assert (told["reason"], "api5-bfla" in told["detail"]) == ("override_in_force", True)
    assert (await instance.post("/faults", method="DELETE"))["result"] == "unchanged"
    assert instance.plane.override.why == "api5-bfla"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"delay": {"percent": 0, "ms": 5}},
        {"delay": {"percent": 50, "ms": 60_000}},
        {"abort": {"percent": 50, "status": 200}},
        {"abort": {"percent": 50, "status": 503}, "header": "X"},
    ],
)
async def test_odd_faults_are_refused(instance: Any, body: Any) -> None:
    assert (await instance.post("/faults/orders", body, method="PUT", status=422))["reason"] == "invalid_body"
    assert instance.plane.override is None


async def test_a_route_that_is_not_there(instance: Any) -> None:
    body = {"abort": {"percent": 50, "status": 503}}
    assert (await instance.post("/faults/none", body, method="PUT", status=404))["reason"] == "no_such_route"

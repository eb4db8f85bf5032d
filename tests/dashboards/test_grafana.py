"""Dashboards: made from their sources, complete, and asking only for metrics that exist."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from tests.dashboards.metric_names import OWN, ROOT, asked, recorded, told

GRAFANA = ROOT / "dashboards" / "grafana"
SOURCES = sorted((GRAFANA / "source").glob("*.yaml"))


@pytest.fixture(scope="module")
def make() -> ModuleType:
    """dashboards/grafana/make.py, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("make", GRAFANA / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boards() -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text()) for path in (GRAFANA / "dashboards").glob("*.json")}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_is_kept_is_what_is_made(source: Path, make: ModuleType) -> None:
    kept = (GRAFANA / "dashboards" / f"{source.stem}.json").read_text()
    assert make.board(yaml.safe_load(source.read_text())) == kept, "run: python dashboards/grafana/make.py"


def test_there_are_no_others() -> None:
    assert set(boards()) == {path.stem for path in SOURCES}
    assert len({board["uid"] for board in boards().values()}) == len(SOURCES)


def test_every_panel_says_what_it_means_and_none_covers_another() -> None:
    for name, board in boards().items():
        places: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            assert panel.get("description") or panel["type"] == "text", (name, panel["title"])
            at = panel["gridPos"]
            assert at["x"] + at["w"] <= 24
            own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert not places & own, (name, panel["title"])
            places |= own


def test_each_metric_that_a_panel_names_exists() -> None:
    known = told() | recorded() | OWN
    named = {
        name: f"{board}: {panel['title']}"
        for board, document in boards().items()
        for panel in document["panels"]
        for target in panel.get("targets", ())
        for name in asked(target["expr"])
    }
    assert {name: where for name, where in named.items() if name not in known} == {}
    assert "http_server_request_duration_seconds_count" in named


def test_provisioning_names_what_is_there() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/gatehouse.yaml").read_text())["datasources"]
    (trace,) = source["jsonData"]["exemplarTraceIdDestinations"]
    assert (source["type"], source["url"], trace["name"]) == ("prometheus", "$GATEHOUSE_PROMETHEUS", "trace_id")
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/gatehouse.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "$GATEHOUSE_DASHBOARDS"

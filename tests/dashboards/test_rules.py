"""Prometheus' own tools on the configuration, the rules and their tests; and that every metric named there exists."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.dashboards.metric_names import OWN, PROMETHEUS, asked, recorded, rules, told

INCIDENTS = {
    "slow-database", "error-burst", "memory-leak", "retry-storm", "expired-certificate", "noisy-neighbour",
    "poisoned-cache", "broken-contract",
}  # fmt: skip


def promtool(*words: str | Path) -> str:
    """What it says; skips where it is missing."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not here (Debian: apt install prometheus): the rules are not checked by it")
    done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_one(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "targets.json").write_text('[{"targets": ["127.0.0.1:9901"], "labels": {"job": "gateway"}}]')
    said = promtool("check", "config", tmp_path / "prometheus.yml")
    assert f"{len(list((PROMETHEUS / 'rules').glob('*.yml')))} rule files found" in said


@pytest.mark.timeout(180)
@pytest.mark.parametrize("file", sorted((PROMETHEUS / "tests").glob("*.yml")), ids=lambda file: file.stem)
def test_each_alert_fires_when_it_is_to_and_else_not(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


def test_each_alert_is_tested() -> None:
    tested = "".join(path.read_text() for path in (PROMETHEUS / "tests").glob("*.yml"))
    assert {
        rule["alert"] for rule in rules() if "alert" in rule and f'alertname="{rule["alert"]}"' not in tested
    } == set()


def test_each_metric_that_a_rule_names_exists() -> None:
    known = told() | recorded() | OWN
    unknown = {name: rule.get("alert", rule.get("record")) for rule in rules() for name in asked(rule["expr"]) - known}
    assert unknown == {}
    assert "no_such_metric" in asked('sum by (le) (rate(no_such_metric{job="x"}[1m])) > on () 3')


def test_each_incident_has_its_alert_and_what_is_compressed_says_so() -> None:
    alerts = [rule for rule in rules() if "alert" in rule]
    assert {rule["labels"]["incident"] for rule in alerts if "incident" in rule["labels"]} == INCIDENTS
    for file in (PROMETHEUS / "rules").glob("*.yml"):
        compressed = "classroom" in file.stem
        for group in yaml.safe_load(file.read_text())["groups"]:
            variants = {rule["labels"]["variant"] for rule in group["rules"] if "alert" in rule}
            assert variants <= {"classroom" if compressed else "standard"}, file
    assert all({"summary", "description"} <= set(rule["annotations"]) for rule in alerts)
    for rule in alerts:  # a rule's own labels come after its words are written
        assert not set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"]))) & set(rule["labels"]), rule["alert"]
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "ticket"}

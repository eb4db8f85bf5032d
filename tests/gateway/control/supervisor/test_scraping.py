"""What there is to scrape, and the Prometheus that does it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.control.supervisor.copies import Copies, Copy
from gateway.control.supervisor.plan import Site, make_plan
from gateway.control.supervisor.prometheus import find_prometheus
from gateway.control.supervisor.scraping import targets, write_scraping, write_targets
from gateway.control.supervisor.state_dir import StateDir
from tests.gateway.control.supervisor.test_plan import site


def labels(one: Site) -> dict[str, dict[str, str]]:
    """By address."""
    return {found["targets"][0]: found["labels"] for found in targets(one)}


def test_every_process_that_tells_numbers_is_a_target() -> None:
    assert labels(site()) == {
        "127.0.0.1:20001": {"job": "gateway", "instance": "gateway"},
        "127.0.0.1:20004": {"job": "services", "instance": "identity-1", "service": "identity", "version": "v1"},
        "127.0.0.1:20005": {"job": "services", "instance": "orders-1", "service": "orders", "version": "v1"},
        "127.0.0.1:20006": {"job": "services", "instance": "profiles-1", "service": "profiles", "version": "v1"},
    }
    assert "127.0.0.1:20030" in labels(site(prometheus="/usr/bin/prometheus"))


def test_copies_come_and_go_while_prometheus_looks_on(tmp_path: Path) -> None:
    one = site(state=StateDir(tmp_path))
    write_scraping(one)
    assert (tmp_path / "prometheus" / "rules" / "slo.yml").is_file()
    assert len(json.loads((tmp_path / "prometheus" / "targets.json").read_text())) == 4
    two = (Copy("orders", 1, "v1", 20_005), Copy("orders", 2, "v2", 20_040))
    write_targets(replace(one, copies=Copies().with_copies("orders", two)))
    told = json.loads((tmp_path / "prometheus" / "targets.json").read_text())
    second = {"job": "services", "instance": "orders-2", "service": "orders", "version": "v2"}
    assert {"targets": ["127.0.0.1:20040"], "labels": second} in told


def test_it_is_a_process_on_loopback_with_bounded_data_that_may_change_nothing_of_others() -> None:
    assert "prometheus" not in {plan.name for plan in make_plan(site())}
    plan = next(one for one in make_plan(site(prometheus="/usr/bin/prometheus")) if one.name == "prometheus")
    assert plan.argv[0] == "/usr/bin/prometheus"
    assert "--web.listen-address=127.0.0.1:20030" in plan.argv
    assert r"--web.cors.origin=http://127\.0\.0\.1:20030" in plan.argv
    assert any(word.startswith("--storage.tsdb.retention.size=") for word in plan.argv)
    assert plan.rules is not None
    assert [path for path in plan.rules.write if path != "/dev/null"] == ["/state/prometheus"]
    assert plan.rules.bind == (20_030,)


@pytest.mark.parametrize("said", ["prometheus, version 1.8.2 (branch: HEAD)", "another program", None])
def test_where_there_is_none_that_can_be_used_a_note_says_what_is_missing(tmp_path: Path, said: str | None) -> None:
    program = tmp_path / "prometheus"
    if said:
        program.write_text(f"#!/bin/sh\necho '{said}'\n")
        program.chmod(0o755)
    path, (note,) = find_prometheus(True, lambda name: str(program) if said else None)
    assert path == ""
    assert "no alerts are evaluated" in note
    assert find_prometheus(False, lambda name: str(program)) == ("", ())


def test_a_usable_one_is_found(tmp_path: Path) -> None:
    program = tmp_path / "prometheus"
    program.write_text("#!/bin/sh\necho 'prometheus, version 2.42.0+ds (branch: debian/sid)'\n")
    program.chmod(0o755)
    assert find_prometheus(True, lambda name: str(program)) == (str(program), ())

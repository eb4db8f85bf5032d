"""Answers, the timeline, and what is told while somebody still looks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios.incidents import case as cases
from scenarios.incidents.bench import Bench, Step
from scenarios.incidents.case import Answers, Case
from scenarios.incidents.catalogue import catalogue
from scenarios.incidents.cli import incident
from scenarios.incidents.model import CAUSES, Incident, judge
from scenarios.incidents.observer import first_about
from scenarios.incidents.timeline import report, status, timeline

ALL = pytest.mark.parametrize("one", catalogue().values(), ids=lambda one: one.id)
PAGE = Path(__file__).parents[3] / "docs" / "incidents.md"


@ALL
def test_only_the_right_answer_is_right(one: Incident) -> None:
    assert judge(one, one.services[0], one.id, 0, 0.0).right
    for cause in CAUSES.keys() - {one.id}:
        wrong = judge(one, one.services[0], cause, 0, 0.0)
        assert not wrong.right
        assert wrong.why.startswith(f"{one.services[0]} is right.")
    for service, why in one.elsewhere.items():
        wrong = judge(one, service, one.id, 0, 0.0)
        assert not wrong.right
        assert why in wrong.why


@ALL
def test_a_wrong_answer_does_not_give_the_right_one_away(one: Incident) -> None:
    for cause in CAUSES.keys() - {one.id}:
        wrong = judge(one, "alerts", cause, 0, 0.0)
        assert one.id not in wrong.why
        assert one.services[0] not in re.findall(r"[a-z]+", wrong.hint)


@ALL
def test_hints_go_further(one: Incident) -> None:
    hints = [judge(one, "alerts", "process-down", before, 0.0).hint for before in range(len(one.look) + 1)]
    assert hints == [*one.look, one.look[-1]]


@ALL
def test_the_list_does_not_say_where(one: Incident) -> None:
    assert not [name for name in (*one.services, *one.elsewhere) if re.search(rf"\b{name}\b", one.kind.lower())]


def case(**changes: object) -> Case:
    facts = {"id": "slow-database", "surprise": True, "asked": 990.0, "until": 2_000.0, "phase": "running"}
    return Case(**(facts | {"began": 1_000.0, "visible": 1_007.5, "peak": 1.2} | changes))  # type: ignore[arg-type]


def test_the_first_alert_that_came_with_it_is_told() -> None:
    def alert(name: str, second: int, incident: str = "", state: str = "firing") -> dict[str, str]:
        return {"name": name, "incident": incident, "state": state, "since": f"1970-01-01T00:16:{second:02}+00:00"}

    assert first_about(case(began=970.0), [], 1_000.0) is None
    told = [
        alert("BurnedBefore", 5),
        alert("Pending", 12, state="pending"),
        alert("AnotherIncident", 13, "memory-leak"),
        alert("ItsOwn", 30, "slow-database"),
        alert("ErrorBudgetBurn", 20),
    ]
    assert first_about(case(began=970.0), told, 1_000.0) == {"name": "ErrorBudgetBurn", "since": 980.0}
    assert first_about(case(began=985.0), told, 1_000.0) == {"name": "ItsOwn", "since": 990.0}
    assert first_about(case(began=995.0), told, 1_000.0) is None


def answered(directory: Path, *words: tuple[str, str, float]) -> Answers:
    (directory / "incident").mkdir(exist_ok=True)
    for service, cause, at in words:
        Answers.of(directory).add(judge(catalogue()["slow-database"], service, cause, 0, at))
    return Answers.of(directory)


def test_the_timeline_is_in_order_and_says_what_was_missing(tmp_path: Path) -> None:
    given = answered(tmp_path, ("orders", "error-burst", 1_050.0), ("orders", "slow-database", 1_090.0))
    events = timeline(case(ended=1_100.0, phase="ended", restored_in=0.4, why="asked for"), given)
    assert [event.what for event in events] == [
        "began", "visible in metrics", "wrong answer", "found", "alert", "ended",
    ]  # fmt: skip
    assert events[4].told == "no alerts are evaluated"
    alarmed = case(ended=1_100.0, alert={"name": "TransactionsSlow", "since": 1_020.0}, no_alerts="")
    assert [event.what for event in timeline(alarmed, given)][2] == "alert"
    never = report(case(visible=None, ended=1_100.0), Answers(tmp_path))
    told = {event["what"]: event for event in never["timeline"]}
    assert told["visible in metrics"]["after_s"] is None
    assert told["found"]["told"] == "nobody; it was orders, slow-database"


def test_a_surprise_is_not_told_before_it_is_found(tmp_path: Path) -> None:
    told = status(case(), Answers(tmp_path), running=True, now=1_060.0)
    assert (told["incident"], told["running_s"], told["visible_after_s"]) == (None, 60.0, 7.5)
    assert "slow-database" not in json.dumps(told)
    found = answered(tmp_path, ("orders", "slow-database", 1_090.0))
    assert status(case(), found, running=True)["incident"] == "slow-database"
    assert status(case(), found, running=False)["state"] == "none", "its process is gone"


def test_the_list_for_programs() -> None:
    told = json.loads(CliRunner().invoke(incident, ["list", "--json"]).output)
    assert {one["id"] for one in told["incidents"]} < told["causes"].keys()
    assert not {"services", "what", "look"} & told["incidents"][0].keys()


def test_the_page_has_a_sheet_for_each() -> None:
    text = PAGE.read_text()
    for one in catalogue().values():
        assert f"### {one.id}" in text
        assert one.ticket in text
        assert one.signal.promql in text


class Shop:
    """Remembers what was asked of it; fails as often as it is told."""

    config = ""

    def __init__(self, state_dir: Path, failures: int = 0) -> None:
        self.state_dir, self.failures, self.version = state_dir, failures, "v2"
        self.asked: list[str] = []

    def supervisor(self, question: dict[str, object], _timeout: float = 0.0) -> dict[str, object]:
        from gateway.cli.console import Failure

        if question["do"] == "ps":
            return {"processes": [{"name": "profiles", "version": self.version}]}
        self.asked.append(str(question["do"]))
        if self.failures and question["do"] == "deploy":
            self.failures -= 1
            raise Failure("busy")
        self.version = str(question.get("version", self.version))
        return {}

    def admin(self, method: str, target: str) -> None:
        self.asked.append(f"{method} {target}")


def noted(directory: Path) -> None:
    bench = Bench(Shop(directory))  # type: ignore[arg-type]
    for step in (Step("version", "profiles", "v1"), Step("override"), Step("settings", "orders", {"planted": {}})):
        bench._note(step)


def test_what_was_noted_is_undone_in_reverse_by_whoever_comes(tmp_path: Path) -> None:
    noted(tmp_path)
    shop = Shop(tmp_path, failures=1)
    other = Bench(shop)  # type: ignore[arg-type]
    other.restore()
    assert shop.asked == ["reconfigure", "DELETE /override", "deploy", "deploy"]
    assert (shop.version, other.dirty) == ("v1", False)


def test_what_could_not_be_undone_stays_noted(tmp_path: Path) -> None:
    from gateway.cli.console import Failure

    noted(tmp_path)
    with pytest.raises(Failure, match="busy"):
        Bench(Shop(tmp_path, failures=99)).restore()  # type: ignore[arg-type]
    later = Shop(tmp_path)
    Bench(later).restore()  # type: ignore[arg-type]
    assert (later.asked, later.version) == (["deploy"], "v1")


def test_facts_come_back_as_they_were_written(tmp_path: Path) -> None:
    case().save(tmp_path)
    assert cases.load(tmp_path) == case()
    assert (tmp_path / "incident" / "case.json").stat().st_mode & 0o077 == 0

"""The sales report is wrong, and every process is healthy."""

from __future__ import annotations

from scenarios.lab.model import Control, Option, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target


def internal(lab: Target) -> str:
    """Where staff ask."""
    return f"http://127.0.0.1:{lab.instance.ports['internal']}"


def attack(lab: Target) -> Outcome:
    """No attacker: Carol compares the report with what orders itself counts."""
    told = lab.call("carol", "GET", "/reports/check", base_url=internal(lab)).json()
    version = lab.call("nobody", "GET", "/reports/version", base_url=internal(lab)).json()["version"]
    off = abs(told["off_by"]) / 100
    states = [one["state"] for one in lab.instance.admin("GET", "/services")["services"]]
    return Outcome(
        breached=not told["agrees"],
        got=f"a report that is € {off:,.2f} off" if off else "a report that is right",
        measures={
            "reports and orders agree": "yes" if told["agrees"] else "no",
            "reports runs": version,
            "processes that are up": f"{states.count('running')} of {len(states)}",
        },
    )


def benign(lab: Target) -> bool:
    """The shop sells, whatever the report says."""
    return lab.call("alice", "GET", "/orders").status == 200 and lab.call("nobody", "GET", "/").status == 200


SCENARIO = Scenario(
    id="faulty-report",
    title="The report is wrong, and everything is green",
    story=(
        "Carol's sales report shows more revenue than there was. No process has crashed, every answer has status 200, "
        "and dashboards are green. Five services had a part in that number. Which is wrong, and can it be mended "
        "without touching the others, while the shop sells?"
    ),
    references=("CWE-682", "OWASP API10:2023"),
    claims=("C9", "C10"),
    difficulty=2,
    minutes=12,
    weaknesses=(Option("reports", "version", "v2", "version 2 is released"),),
    control=Control(
        name="find the one service, take its version back, let the others run",
        where="service",
        lines="WHERE NOT cancelled   # reports v2 had lost it; v1 has it, and v3 is v2 repaired",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Compare two sources: gatehouse call carol --internal GET /reports/check",
        "gatehouse call nobody --internal GET /reports/version says what runs.",
        "Cancel an order and look again: by how much does the difference grow?",
    ),
    wrong_fixes=(
        WrongFix("restart everything", "It was not the processes. The same question gives the same answer."),
        WrongFix("rebuild the report's data", "The data is right; the question that is asked of it is wrong."),
        WrongFix("mend the events in orders", "Orders is right, and five others read its events."),
    ),
    questions=(
        ("What had to be started again?", "Reports, and nothing else: gatehouse ps shows the others' uptime."),
        ("Why did no alarm ring?", "Nobody compared. reports_off_by_minor_units is the number for one."),
    ),
)

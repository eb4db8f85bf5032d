"""An error tells everything (security misconfiguration)."""

from __future__ import annotations

import re

from gateway.cli.wire import Answer
from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

ODD_IDS = ("1001'", "0", "9" * 30, "abc")


def attack(lab: Target) -> Outcome:
    """Ask for orders that cannot be, and read what comes back."""
    told = [lab.call("bob", "GET", f"/orders/{odd}") for odd in ODD_IDS]
    text = "\n".join(answer.body.decode("utf-8", "replace") for answer in told)
    files = len(set(re.findall(r'File "([^"]+)"', text)))
    software = {answer.header("X-Powered-By") or answer.header("Server") for answer in told} - {""}
    return Outcome(
        breached=files > 0 or bool(software),
        got=f"{files} paths of source files, and {', '.join(software)}" if files else "a reason and a trace id",
        measures={"source files named": str(files), "answers with a stable reason": _reasons(told)},
    )


def _reasons(told: list[Answer]) -> str:
    return f"{sum('reason' in (answer.json() or {}) for answer in told)} of {len(told)}"


def benign(lab: Target) -> bool:
    """Bob reads his order."""
    return lab.call("bob", "GET", "/orders/1002").status == 200


SCENARIO = Scenario(
    id="api8-misconfig",
    title="An error tells everything",
    story=(
        "Developers want to see what went wrong, so somebody let errors show their stack, and a header the version. It "
        "was meant for one machine. Now a stranger's typing error prints paths, tables and the library to attack."
    ),
    references=("OWASP API8:2023", "CWE-209", "CWE-756", "RFC 9457"),
    claims=("C14",),
    difficulty=1,
    minutes=5,
    stage=(Remove("orders-read", "OpenApiValidation"),),
    weaknesses=(Plant("orders", "tells-all"),),
    control=Control(
        name="one form of error: a stable reason and a trace id, the rest in the log",
        where="service",
        lines='except Exception:\n    log.exception("unexpected error")\n    return problem_500(trace_id)',
        elsewhere=(
            "# Envoy: replaces the body of a 500, but does not know what went wrong\n"
            "local_reply_config / response_map, and server_header_transformation: OVERWRITE"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What does GET /orders/abc answer, and to whom is that of use?",
        "Both sides want something: the caller a reason, the developer the stack. Where does each look?",
        "gatehouse trace TRACE shows what the caller did not see.",
    ),
    wrong_fixes=(
        WrongFix("catch this one error", "The next one nobody thought of tells as much. One place catches all."),
        WrongFix("answer every error with 200", "Clients, retries and alerts then take failures for successes."),
        WrongFix("let the gateway replace each 5xx", "The service still sends it, to whoever reaches the service."),
    ),
    questions=(
        (
            "Why is the gateway's OpenApiValidation off, both times?",
            "It would refuse this before the service sees it: a second lock. Here we look at the first.",
        ),
        ("How does support find the stack then?", "By the trace id in the answer: it stands in the log line, too."),
        ("What else belongs to this entry of the list?", "Open CORS, default passwords, debug routes, old libraries."),
    ),
)

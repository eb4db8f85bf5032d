"""A line in the log that nobody wrote."""

from __future__ import annotations

import json
from urllib.parse import quote

from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

FORGED = {"level": "info", "logger": "orders", "message": "order cancelled", "order_id": 1001, "subject": "alice"}


def attack(lab: Target) -> Outcome:
    """Bob asks for the orders of a customer whose name has two lines; the second looks like one of the service's."""
    name = "bob\n" + json.dumps(FORGED) + "\n\x1b[2J"
    before = lab.log("orders")
    lab.call("bob", "GET", f"/orders?customer={quote(name, safe='')}")
    written = lab.log("orders")[len(before) :]
    forged = sum(_parsed(line) == FORGED for line in written.splitlines())
    return Outcome(
        breached=forged > 0,
        got="a line that says Alice cancelled her order" if forged else "his own words, in quotes",
        measures={
            "forged lines": str(forged),
            "bytes that drive a terminal": str(written.count("\x1b")),
        },
    )


def _parsed(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def benign(lab: Target) -> bool:
    """Support looks at Bob's orders, and the log says so."""
    before = lab.log("orders")
    served = lab.call("carol", "GET", "/orders?customer=bob&limit=1").status == 200
    return served and "bob" in lab.log("orders")[len(before) :]


SCENARIO = Scenario(
    id="log-injection",
    title="A line in the log that nobody wrote",
    story=(
        "The service notes whose orders were asked for, as text. A name may hold a line break; what follows it stands "
        "in the log as a line of its own, and programs and people believe it. So do courts, sometimes."
    ),
    references=("CWE-117", "CWE-150", "OWASP Logging Cheat Sheet"),
    claims=("C10",),
    difficulty=2,
    minutes=5,
    stage=(Remove("orders-read", "OpenApiValidation"),),
    weaknesses=(Plant("orders", "plain-log"),),
    control=Control(
        name="structured lines: what strangers say is a value, with its control characters escaped",
        where="service",
        lines='log.info("orders asked for", extra={"customer": customer})   # JsonFormatter: ensure_ascii=True',
        elsewhere="# Envoy: json_format in the access log escapes; text_format does not quote for you",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse logs orders: which lines came from the service, and how would you know?",
        "What is %0a in a query, after it is decoded?",
        "Do not build lines. Hand values over, and let one place escape all of them.",
    ),
    wrong_fixes=(
        WrongFix("take \\n out", "There are \\r, U+2028, and escape sequences that hide lines in a terminal."),
        WrongFix("log it quoted with %r", "Right for people; programs that read key=value break at the next blank."),
        WrongFix("do not log what strangers say", "Then nobody sees the attack. Log it, as what it is."),
    ),
    questions=(
        (
            "Why is the gateway's OpenApiValidation off, both times?",
            "It would refuse this before the service sees it: a second lock. Here we look at the first.",
        ),
        ("Whose words are in an access log?", "The client's, in path, user agent, referer: all of them are escaped."),
        ("Does a valid name protect?", "Here the line is written before the name is refused, as it should be."),
    ),
)

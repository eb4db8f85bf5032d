"""The header says read, the body says drop."""

from __future__ import annotations

import copy
from typing import Any

from scenarios.lab import soap
from scenarios.lab.model import Control, Outcome, Plant, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

VICTIM = "goro"


def decide_by_header(document: dict[str, Any], _: Target) -> None:
    """Two routes: who reads needs profiles:read, who does anything else profiles:write. SOAPAction tells which."""
    routes = document["routes"]
    other = next(one for one in routes if one["name"] == "profiles-soap")
    other["filters"] = [one for one in other["filters"] if one["type"] != "SoapGuard"]
    reading = copy.deepcopy(other) | {"name": "profiles-soap-read"}
    reading["matches"][0]["headers"] = [{"name": "SOAPAction", "value": f'"{soap.NAMESPACE}/ReadProfile"'}]
    next(one for one in other["filters"] if one["type"] == "Authorize")["scopes"] = ["profiles:write"]
    routes.insert(routes.index(other), reading)


def attack(lab: Target) -> Outcome:
    """Carol may read. She drops a customer's profile: as herself, then under the name of reading."""
    fields = {"username": VICTIM}
    plainly = soap.call(lab, "carol", "DropProfile", fields)
    spoofed = soap.call(lab, "carol", "DropProfile", fields, action="ReadProfile")
    dropped = lab.tidy("admin", "GET", f"/profiles/{VICTIM}").status == 410
    if dropped:
        lab.tidy("admin", "POST", f"/profiles/{VICTIM}/recover")
    return Outcome(
        breached=dropped,
        got="a dropped profile, with the right to read" if dropped else "no change",
        measures={"SOAPAction: DropProfile": str(plainly.status), "SOAPAction: ReadProfile": str(spoofed.status)},
    )


def benign(lab: Target) -> bool:
    """Carol reads a profile, and says so."""
    return soap.call(lab, "carol", "ReadProfile", {"username": VICTIM}).status == 200


SCENARIO = Scenario(
    id="soap-action-spoof",
    title="The header says read, the body says drop",
    story=(
        "All SOAP operations have one address. The gateway tells them apart by the header SOAPAction, the service by "
        "the body. Nobody compares the two, and the service leaves rights to the gateway."
    ),
    references=("CWE-436", "CWE-863", "WS-I Basic Profile 1.1 R2744"),
    claims=("C7", "C17"),
    difficulty=3,
    minutes=8,
    stage=(Plant("profiles", "leaves-rights-to-the-gateway"),),
    weaknesses=(Rewrite(decide_by_header, "SOAPAction decides which scope it takes, in place of SoapGuard"),),
    control=Control(
        name="the body says what is asked for, and the header must agree",
        where="gateway",
        lines=(
            "- type: SoapGuard\n  wsdl: profiles.wsdl\n  onlyListed: true\n  operations:\n"
            '    - {name: ReadProfile}\n    - {name: DropProfile, scopes: ["profiles:write"]}'
        ),
        elsewhere="Envoy and Istio match headers, not bodies: that is the weak side of this scenario.",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Send DropProfile with SOAPAction of ReadProfile. Who decides by which of the two?",
        "Two readers of one message must read the same. Which of the two can the attacker not lie in?",
        "The service does what the body says: so rights must hang on the body.",
    ),
    wrong_fixes=(
        WrongFix("refuse requests without SOAPAction", "This one has it. It is only not true."),
        WrongFix("rewrite SOAPAction by the route", "The service does not look at it: it does what the body says."),
        WrongFix("an address for each operation", "The service takes any body at each of them."),
    ),
    questions=(
        ("The shop's service checks rights itself. Why is that switched off here?", "To see the gateway's part alone."),
        ("Where else do two read one message differently?", "GraphQL's operationName, HTTP's lengths, JSON's doubles."),
    ),
)

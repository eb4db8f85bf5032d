"""Bob gives himself loyalty points (broken object property level authorization)."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

BOB = "/profiles/bob"
WANTED = 1_000_000


def attack(lab: Target) -> Outcome:
    """Bob may change his profile. He sends a field more than the form has."""
    before = lab.call("bob", "GET", BOB)
    lab.call("bob", "PATCH", BOB, json={"loyalty_points": WANTED}, headers=[("If-Match", before.header("ETag"))])
    after = lab.call("bob", "GET", BOB)
    had, has = before.json()["loyalty_points"], after.json()["loyalty_points"]
    if has != had:
        lab.tidy("admin", "PATCH", BOB, json={"loyalty_points": had}, headers=[("If-Match", after.header("ETag"))])
    return Outcome(
        breached=has > had,
        got=f"{has - had} points that he gave himself" if has > had else "no point",
        measures={"loyalty points": f"{had} → {has}"},
    )


def benign(lab: Target) -> bool:
    """Bob corrects his postcode."""
    profile = lab.call("bob", "GET", BOB)
    wanted = {"postcode": profile.json()["postcode"]}
    return lab.call("bob", "PATCH", BOB, json=wanted, headers=[("If-Match", profile.header("ETag"))]).status == 200


SCENARIO = Scenario(
    id="api3-bopla",
    title="Bob gives himself loyalty points",
    story=(
        "Bob may change his own profile: route, scope and owner are right. The page shows him a form with seven "
        "fields; the record has eight. Points are worth money, and JSON is written quickly."
    ),
    references=("OWASP API3:2023", "CWE-915"),
    claims=("C17",),
    difficulty=2,
    minutes=5,
    weaknesses=(Plant("profiles", "no-field-rules"),),
    control=Control(
        name="rights by field",
        where="service",
        lines="permit_fields(claims, changes.model_fields_set)   # loyalty_points: administrators only",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "GET /profiles/bob: which of these fields may Bob write, and which only read?",
        "The record is Bob's, so the owner check passes. What is not his is one field of it.",
        "Compare what was sent with a list of fields by role, before anything is written.",
    ),
    wrong_fixes=(
        WrongFix("take the field out of the form", "The form is the client's. JSON needs none."),
        WrongFix("ignore what may not be written", "The next one who copies the record into the row will not."),
        WrongFix(
            "a schema at the gateway that forbids the field",
            "Administrators use the same address. A schema says what a field looks like, not who may write it.",
        ),
    ),
    questions=(
        (
            "The same flaw when reading?",
            "A record that is answered whole shows what only others may see: name the fields of each answer, too.",
        ),
        ("403 or ignored in silence?", "403 field_not_allowed: an honest client learns of its mistake at once."),
    ),
)

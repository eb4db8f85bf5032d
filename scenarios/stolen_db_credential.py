"""Somebody has what orders opens its database with."""

from __future__ import annotations

from typing import Any

from scenarios.lab import spy
from scenarios.lab.client import Exchange
from scenarios.lab.model import Control, Instead, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target

OWN = ("product", "purchase", "purchase_item", "payment", "webhook", "idempotency_key", "outbox", "lease")
"""Tables of orders."""


def attack(lab: Target) -> Outcome:
    """With the rights that orders' process has, open every database that there is, and read every table."""
    found = spy.inside(lab, "orders")
    tables: dict[str, dict[str, int]] = found["tables"]
    foreign = {f"{db}.{name}": rows for db, each in tables.items() for name, rows in each.items() if name not in OWN}
    rows = sum(foreign.values())
    for name in found["locked"]:
        why, by = found["locked"][name], "the operating system"
        lab.client.note(Exchange("orders", f"open the database of {name}", 0, why, "", False, "", "", by=by))
    for name, each in tables.items():
        told = ", ".join(f"{table} {count}" for table, count in each.items())
        lab.client.note(Exchange("orders", f"open the database of {name}", 200, "", "", False, "", told))
    got = f"{rows} rows of {len(foreign)} tables that are not orders'" if foreign else "orders' own tables, no others"
    return Outcome(
        breached=bool(foreign),
        shows="open the database of profiles",
        got=got + _by_whom(found, lab),
        measures={
            "databases opened": f"{len(tables)}: {', '.join(tables)}; refused: {len(found['locked'])}",
            "foreign tables read": str(len(foreign)),
            "foreign rows": str(rows),
            "with the account in Redis": found["redis"],
        },
    )


def _by_whom(found: dict[str, Any], lab: Target) -> str:
    """Where nothing keeps files apart, it is said: the control is not there."""
    whole = len(found["tables"]) > 1 and lab.architecture != "monolith"
    return " (the isolation of processes is not enforced on this machine)" if whole else ""


def benign(lab: Target) -> bool:
    """Alice sees her orders and her profile: what stands in different databases still comes together."""
    told = lab.graphql("alice", "{ me { profile { fullName } orders { id } } }").json()
    return bool(told["data"]["me"]["profile"] and told["data"]["me"]["orders"])


SCENARIO = Scenario(
    id="stolen-db-credential",
    title="The key to one database",
    story=(
        "A backup script, a log of the start, an injection: somebody has what orders opens its data with, and opens "
        "whatever it fits. In the monolith that is everything: one database, one account, and beside the orders the "
        "profiles and the reviews. Where each service has its own, it is a key to one room."
    ),
    references=("CWE-522", "CWE-653", "OWASP API8:2023"),
    claims=("C4", "C8", "C18"),
    difficulty=2,
    minutes=8,
    weaknesses=(Instead("monolith"),),
    control=Control(
        name="a database and an account for each service, held to by the operating system",
        where="service",
        lines=(
            "# manifest.yaml: what a service may follows from its entry, and Landlock enforces it\n"
            '- name: orders\n  redis: ["~events:orders", "+xadd", "+xtrim", "+xlen", "+ping"]\n'
            "  # files: data/orders and nothing else"
        ),
        elsewhere=(
            "# no gateway and no mesh does it. PostgreSQL, one role for each service:\n"
            "CREATE DATABASE orders OWNER orders;\nREVOKE CONNECT ON DATABASE profiles FROM PUBLIC;\n"
            "# Kubernetes: a Secret for each ServiceAccount; Istio can keep the port to its service\n"
            "kind: AuthorizationPolicy\nspec: {selector: {matchLabels: {app: profiles-db}}, rules: [{from: [{source: "
            "{principals: [cluster.local/ns/shop/sa/profiles]}}]}]}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What does orders need from the database of profiles? Who gave it the key?",
        "gatehouse ps says which processes are confined; docs/isolation.md what that forbids.",
        "Redis has users, too: gatehouse lab attack shows what orders' account sees there.",
    ),
    wrong_fixes=(
        WrongFix("encrypt the disk", "The database opens it for whoever has the credential."),
        WrongFix("a schema for each module, one account", "The account opens all schemas: names are no walls."),
        WrongFix("rotate the credential", "Right, and until then it opens everything; afterwards the next one does."),
        WrongFix("a mesh", "It decides calls between services. A file that can be opened is no call."),
    ),
    questions=(
        (
            "What does the thief still have, with the control?",
            "All orders, with their customers' names: its own room is lost. The radius is smaller, not zero.",
        ),
        (
            "What does a database for each service cost?",
            "No join over orders and profiles, no transaction over both: events and calls take their place.",
        ),
        (
            "Whom does this trust in the end?",
            "The operating system: who is root, or outside of the confinement, opens every file.",
        ),
    ),
    stage=spy.debug_endpoint("orders"),
)

"""The storefront is owned: an attacker's program runs inside of its process."""

from __future__ import annotations

from scenarios.lab import spy
from scenarios.lab.model import Control, Instead, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target

OWN = "storefront"
NEEDED = (
    "identity GET /jwks.json",
    "orders GET /orders",
    "orders GET /products",
    "orders POST /orders",
    "profiles GET /profiles",
    "recommendations GET /recommendations?products=1",
)
"""What the storefront calls when it does its work."""
DATABASES = ("alerts", "identity", "orders", "payments", "profiles", "reports", "storefront")


def attack(lab: Target) -> Outcome:
    """Alice shops; then the program that came in by a debug endpoint looks around from inside."""
    lab.graphql("alice", "{ me { username orders { id } } }")
    found = spy.inside(lab, OWN)
    others = [one for one in found["let_in"] if not one.startswith(OWN)]
    beyond = [one for one in others if one not in NEEDED]
    got = f"{len(beyond)} operations that are not the storefront's business" if beyond else "what the storefront may do"
    return Outcome(
        breached=bool(beyond),
        got=got,
        measures={
            "operations of other services": f"{len(others)}, needed {len(NEEDED)}",
            "records with tokens in memory": ", ".join(f"{n} {name}" for name, n in found["records"].items()),
            "databases opened": f"{len(found['databases'])} of {len(DATABASES)}",
            "Redis": found["redis"],
        },
    )


def benign(lab: Target) -> bool:
    """Alice sees her orders and her profile: the storefront asks its colleagues."""
    told = lab.graphql("alice", "{ me { profile { fullName } orders { id } } }").json()
    return bool(told["data"]["me"]["profile"] and told["data"]["me"]["orders"])


SCENARIO = Scenario(
    id="compromised-service",
    title="An attacker's program inside the storefront's process",
    story=(
        "A debug endpoint was left in the storefront, and it runs whatever it is sent. Now the attacker is it: "
        "its memory, its secrets, its connections. The question is no longer whether somebody comes in, but how far it "
        "is from there to everything else."
    ),
    references=("CWE-489", "CWE-269", "OWASP API8:2023"),
    claims=("C4", "C8", "C13"),
    difficulty=4,
    minutes=12,
    weaknesses=(Instead("gateway"),),
    control=Control(
        name="who may call whom, default deny",
        where="mesh",
        lines=(
            "- name: profiles\n  filters:\n    - type: AuthorizationPolicy\n      allow:\n"
            "        - {name: screen, principals: [storefront], methods: [GET], paths: [/profiles]}"
        ),
        elsewhere=(
            "# Istio\nkind: AuthorizationPolicy\nspec:\n  action: ALLOW\n  rules:\n"
            "  - from: [{source: {principals: [cluster.local/ns/shop/sa/storefront]}}]\n"
            "    to: [{operation: {methods: [GET], paths: [/profiles]}}]"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "List what the storefront must call to do its work. What else can it call?",
        "gatehouse mesh policies says who may call whom.",
        "What is in its memory stays within reach: the tokens of users that are at work.",
    ),
    wrong_fixes=(
        WrongFix("mutual TLS alone", "The attacker has the storefront's sidecar at hand, and with it its identity."),
        WrongFix("no debug endpoints", "There will be another hole. What counts then is what lies behind it."),
        WrongFix("a token check in each service", "It has users' tokens in memory, and they are good."),
    ),
    questions=(
        (
            "What can it still do in the mesh?",
            "All that the storefront may do, for users whose tokens pass it.",
        ),
        (
            "Files are no calls. What keeps it from opening the other services' databases?",
            "Not the mesh: the operating system's isolation of each process, where it is enforced.",
        ),
    ),
    architecture="mesh",
    stage=spy.debug_endpoint(OWN),
)

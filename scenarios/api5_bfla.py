"""A customer does what only support may do (broken function level authorization)."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Remove, Scenario, WrongFix
from scenarios.lab.target import Target


def attack(lab: Target) -> Outcome:
    """The partner's token is for reading orders; it tries to write one."""
    answer = lab.call("partner", "POST", "/orders", json={"items": [{"product_id": 1, "quantity": 1}]})
    reached = answer.status not in (401, 403) or "policy" not in (answer.json() or {})
    return Outcome(
        breached=reached,
        got="its request reached the service" if reached else "refused at the gateway",
        measures={"answered by": "the service" if reached else "the gateway"},
    )


def benign(lab: Target) -> bool:
    """The partner reads, and Alice orders."""
    read = lab.call("partner", "GET", "/orders").status == 200
    placed = lab.call("alice", "POST", "/orders", json={"items": [{"product_id": 2, "quantity": 1}]})
    return read and placed.status == 201


SCENARIO = Scenario(
    id="api5-bfla",
    title="A partner that may read writes",
    story=(
        "The partner has a token for reading orders. The address for placing one is the same, only the method differs, "
        "and it is no secret. Somebody forgot to say which scope that takes."
    ),
    references=("OWASP API5:2023", "CWE-285"),
    claims=("C6", "C17"),
    difficulty=1,
    minutes=5,
    weaknesses=(Remove("orders-write", "Authorize"),),
    control=Control(
        name="scopes by route and method",
        where="gateway",
        lines='- {type: Authorize, scopes: ["orders:write"]}',
        elsewhere=(
            "# Istio\nkind: AuthorizationPolicy\nspec:\n  rules:\n"
            "  - to: [{operation: {methods: [POST], paths: [/orders]}}]\n"
            "    when: [{key: request.auth.claims[scope], values: [orders:write]}]"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse routes shows which routes ask for which scopes.",
        "gatehouse audit names routes that accept any token.",
        "The route orders-write wants one line more.",
    ),
    wrong_fixes=(
        WrongFix("hide the address", "It is in the OpenAPI document, and in the partner's own client."),
        WrongFix(
            "leave it to the service", "It checks too, here. The next service may not; the edge is one place for all."
        ),
    ),
)

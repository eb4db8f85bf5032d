"""One request does what ten do, under ten aliases."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

TIMES = 10
ORDER = 'placeOrder(items: [{productId: "4", quantity: 1}]) { id }'


def attack(lab: Target) -> Outcome:
    """Bob sends one request, in which the same mutation stands ten times under ten names."""
    aliases = " ".join(f"a{number}: {ORDER}" for number in range(TIMES))
    told = lab.graphql("bob", f"mutation {{ {aliases} }}").json() or {}
    placed = [one["id"] for one in (told.get("data") or {}).values() if one]
    for number in placed:  # nothing is left behind
        lab.tidy("bob", "POST", f"/orders/{number}/cancel")
    return Outcome(
        breached=len(placed) > 1,
        got=f"{len(placed)} orders with one request" if placed else "no order",
        measures={"orders placed": str(len(placed)), "requests that limits counted": "1"},
    )


def benign(lab: Target) -> bool:
    """The shop's app asks for two things at once, under aliases: that is what they are for."""
    told = lab.graphql("bob", "{ first: product(id: 1) { name } second: product(id: 2) { name } }").json()
    return bool(told and "errors" not in told and told["data"]["first"] and told["data"]["second"])


SCENARIO = Scenario(
    id="graphql-aliases",
    title="One request, ten orders",
    story=(
        "Limits count requests. In GraphQL one request holds as many operations as one likes, each under an alias. "
        "What is ten orders here is ten passwords at a login mutation, or ten guesses of a voucher's code."
    ),
    references=("OWASP API4:2023", "CWE-799", "OWASP GraphQL Cheat Sheet"),
    claims=("C7", "C17"),
    difficulty=2,
    minutes=5,
    weaknesses=(Remove("graphql", "GraphQLGuard"),),
    control=Control(
        name="a number for each field of the root, whatever it is called",
        where="gateway",
        lines="- type: GraphQLGuard\n  maxAliases: 15\n  rootFields: [{field: Mutation.placeOrder, max: 3}]",
        elsewhere="Envoy and Istio do not read GraphQL: the service does it, or an external processor (ext_proc).",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "What does a limit of 300 requests a minute count?",
        "gatehouse explain POST /graphql -d BODY says what the guard sees in a body.",
        "The alias is the client's own word; what is counted must be the field's name in the schema.",
    ),
    wrong_fixes=(
        WrongFix("forbid the same field twice in the text", "Fragments and variables write it once, and run it often."),
        WrongFix("a lower limit of requests", "One request a minute is still ten orders a minute."),
        WrongFix("forbid arrays (batches)", "Aliases are one operation: there is no array to see."),
    ),
    questions=(
        (
            "The service has a limit of its own: ten fields at the root. Why is that not enough?",
            "It is what let ten orders through: one number for harmless and for dear fields alike.",
        ),
        ("Why are some aliases allowed?", "Clients need them to ask for one field with two arguments."),
    ),
)

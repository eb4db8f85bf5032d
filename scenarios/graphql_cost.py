"""A small query with a huge answer."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

LEVELS = 6


def attack(lab: Target) -> Outcome:
    """A stranger goes from products to reviews, to their product, to its reviews, and so on."""
    query = "{ products(first: 50) { nodes {" + " reviews(first: 50) { product {" * LEVELS + " name" + " } }" * LEVELS
    query += " } } }"
    answer = lab.graphql("nobody", query)
    names = answer.body.count(b'"name"')
    return Outcome(
        breached=names > 500,
        got=f"{len(answer.body) // 1024} KB for a query of {len(query)} bytes" if names else "a refusal",
        measures={"values that the service made": str(names * 2), "bytes answered": str(len(answer.body))},
    )


def benign(lab: Target) -> bool:
    """The shop's page shows products with their reviews."""
    query = "{ products(first: 10) { nodes { name reviews(first: 2) { stars text } } } }"
    told = lab.graphql("nobody", query).json()
    return bool(told and "errors" not in told and told["data"]["products"]["nodes"])


SCENARIO = Scenario(
    id="graphql-cost",
    title="A small query with a huge answer",
    story=(
        "Products have reviews, a review has a product. Who writes the query decides how often one goes round. Each "
        "level multiplies the one before; the query grows by a line, the answer by a factor."
    ),
    references=("OWASP API4:2023", "CWE-770", "OWASP GraphQL Cheat Sheet"),
    claims=("C7", "C17"),
    difficulty=3,
    minutes=8,
    weaknesses=(Remove("graphql-anonymous", "GraphQLGuard"), Plant("storefront", "no-limits")),
    control=Control(
        name="depth and cost, known before anything is run; at the gateway, and again in the service",
        where="gateway",
        lines="- {type: GraphQLGuard, schemaFile: storefront.graphql, maxDepth: 6, maxCost: 5000}",
        elsewhere="Envoy and Istio do not read GraphQL: the service does it, or an external processor (ext_proc).",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which types of the schema lead back to themselves?",
        "gatehouse explain POST /graphql -d BODY shows depth and cost of a query.",
        "Each field counts 1, times the length of each list that it stands in. What does your page need at most?",
    ),
    wrong_fixes=(
        WrongFix("a time-out", "The work is done until then, for each of a hundred such requests at once."),
        WrongFix("a bound on the query's length", "This one has less than 400 bytes; honest ones have more."),
        WrongFix("a bound on depth alone", "products(first: 50) × reviews(first: 50) is 2500 at depth 4."),
    ),
    questions=(
        (
            "Both sides have limits here. Which is the control?",
            "Both: each alone stops it.",
        ),
        ("Why is the cost not measured by running it?", "Then it is paid already."),
    ),
)

"""A stranger asks for the whole schema, and for what it was not told by spelling mistakes."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

SCHEMA = "{ __schema { types { name fields { name args { name } } } mutationType { name } } }"
WRONG_GUESSES = ("{ reviewz { text } }", "{ me { profil { email } } }", "{ product(id: 1) { stok } }")


def attack(lab: Target) -> Outcome:
    """Ask for everything; where that is refused, guess, and let the errors correct the guesses."""
    told = lab.graphql("nobody", SCHEMA).json() or {}
    types = ((told.get("data") or {}).get("__schema") or {}).get("types") or []
    fields = sum(len(one["fields"] or ()) for one in types if not one["name"].startswith("__"))
    corrected = sum("Did you mean" in str(lab.graphql("nobody", guess).json()) for guess in WRONG_GUESSES)
    breached = fields > 0 or corrected > 0
    return Outcome(
        breached=breached,
        got="the map of the whole API" if breached else "neither the schema nor a correction",
        measures={"fields of the schema": str(fields), "guesses corrected": f"{corrected} of {len(WRONG_GUESSES)}"},
    )


def benign(lab: Target) -> bool:
    """A visitor looks at the catalogue."""
    told = lab.graphql("nobody", "{ products(first: 3) { nodes { name price } } }").json()
    return bool(told and "errors" not in told and len(told["data"]["products"]["nodes"]) == 3)


SCENARIO = Scenario(
    id="graphql-introspection",
    title="A stranger asks for the map",
    story=(
        "GraphQL describes itself: one query returns every type, field and argument, also those that no page uses yet. "
        "Where that is switched off, helpful errors correct each wrong guess until the map is drawn."
    ),
    references=("OWASP API8:2023", "OWASP API9:2023", "CWE-200"),
    claims=("C7", "C14"),
    difficulty=2,
    minutes=5,
    weaknesses=(Remove("graphql-anonymous", "GraphQLGuard"),),
    control=Control(
        name="no introspection for strangers, and a schema at the gateway that corrects nobody",
        where="gateway",
        lines="- {type: GraphQLGuard, schemaFile: storefront.graphql}   # introspection: false is the default",
        elsewhere="Envoy and Istio do not read GraphQL. In the service, graphql-core: hide_suggestions=True.",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Send {__schema{types{name}}} without a token.",
        "Ask for a field that does not exist. What do you learn?",
        "Suggestions end only where somebody who knows the schema refuses before the service does.",
    ),
    wrong_fixes=(
        WrongFix("refuse queries named IntrospectionQuery", "The name is the client's own word; any other will do."),
        WrongFix("refuse the text __schema", '{ __type(name: "Query") } has another text, and fragments hide both.'),
        WrongFix("introspection off in the service", "“Did you mean …?” still draws the map, field by field."),
    ),
    questions=(
        ("Is a hidden schema a protection?", "No: it costs the attacker time. Rights must hold with the map in hand."),
        (
            "How do your own developers get it?",
            "From the internal listener, GET /schema.graphql, or from the repository.",
        ),
    ),
)

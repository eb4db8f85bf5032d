"""One request asks for four thousand things (unrestricted resource consumption)."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

TIMES = 4_000
PAGE = 100


def attack(lab: Target) -> Outcome:
    """A stranger names the same product four thousand times in one address."""
    answer = lab.call("nobody", "GET", "/products?ids=" + ",".join(["1"] * TIMES))
    got = len(answer.json()["products"]) if answer.status == 200 else 0
    return Outcome(
        breached=got > PAGE,
        got=f"{got} records with one request" if got else "nothing",
        measures={"queries of the database": str(got), "bytes answered": str(len(answer.body))},
    )


def benign(lab: Target) -> bool:
    """The storefront asks for three products by their ids."""
    answer = lab.call("nobody", "GET", "/products?ids=1,2,3")
    return answer.status == 200 and len(answer.json()["products"]) == 3


SCENARIO = Scenario(
    id="api4-resources",
    title="One request asks for four thousand things",
    story=(
        "The address takes a list of ids, so that a page needs one call instead of thirty. Nobody said how long the "
        "list may get. It costs the attacker 8 KB and no account; each request is one, as limits count."
    ),
    references=("OWASP API4:2023", "CWE-770"),
    claims=("C17",),
    difficulty=1,
    minutes=5,
    weaknesses=(Remove("products-read", "OpenApiValidation"), Plant("orders", "no-bound")),
    control=Control(
        name="every list of a request has a length: in the description, held to at the gateway, and in the code",
        where="gateway",
        lines=(
            "- {type: OpenApiValidation, document: orders.openapi.yaml}   # ids: maxItems: 100\n"
            "# and in the service\nids: Annotated[list[Id], Field(min_length=1, max_length=100)]"
        ),
        elsewhere=(
            "# Envoy: no schema of queries; a bound on the address is what there is\n"
            "http_connection_manager: {max_request_headers_kb: 16}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which parameters of GET /products decide how much work it is?",
        "Send /products?limit=1000000, then a long list of ids.",
        "The bound belongs into the OpenAPI document (maxItems), and where the parameter is read.",
    ),
    wrong_fixes=(
        WrongFix("a lower rate of requests", "One request is enough; ten a second are forty thousand queries."),
        WrongFix("a time-out", "The work goes on until then, for everyone who asks, and honest slow answers end too."),
        WrongFix("answer the first hundred in silence", "Clients take what they get for everything there is."),
    ),
    questions=(
        ("Which other lists does this shop take?", "Items of an order (50), usernames, fields of a GraphQL query."),
        ("Why refuse repeated ids' work at all, if the answer is cached?", "It is not: each list is another address."),
    ),
)

"""A path that the rule does not know, and the service does."""

from __future__ import annotations

from scenarios.lab.model import Bypass, Control, Outcome, Scenario, WrongFix
from scenarios.lab.naive import front
from scenarios.lab.target import Target

ID = "path-tricks"
DENIED = ("/schema.graphql", "/metrics")
SPELLINGS = (
    "/schema.graphql",
    "/%73chema.graphql",
    "/./schema.graphql",
    "/static/../schema.graphql",
    "/static/%2e%2e/schema.graphql",
    "/static/..%2fschema.graphql",
    "/%2e/metrics",
    "/static//..//metrics",
)
INSIDE = (b"type Query {", b"# TYPE ")


def attack(lab: Target) -> Outcome:
    """Ask for what is inside by its name, then by everything else that means it."""
    with front(lab, ID, "storefront", DENIED) as url:
        told = [lab.call("nobody", "GET", path, base_url=url) for path in SPELLINGS]
    through = sum(any(mark in answer.body for mark in INSIDE) for answer in told)
    return Outcome(
        breached=through > 0,
        got=f"schema and metrics, by {through} spellings" if through else "nothing, however it was spelt",
        measures={"spellings that got through": f"{through} of {len(SPELLINGS)}", "by its name": str(told[0].status)},
        shows=f"GET {SPELLINGS[1]}",
    )


def benign(lab: Target) -> bool:
    """Visitors open the page, whose address has nothing to interpret, and a product by an escaped address."""
    with front(lab, ID, "storefront", DENIED) as url:
        page = lab.call("nobody", "GET", "/", base_url=url).status == 200
    return page and lab.call("nobody", "GET", "/%70roducts/1").status == 200


SCENARIO = Scenario(
    id=ID,
    title="The same path, spelt otherwise",
    story=(
        "The rule says that /schema.graphql is not for strangers. The proxy compares the text it was sent, then tidies "
        "the path up, and the service decodes it once more. There are many ways to write one path."
    ),
    references=("CWE-22", "CWE-178", "CWE-180", "RFC 3986 section 6.2.2", "OWASP API5:2023"),
    claims=("C13", "C14"),
    difficulty=2,
    minutes=8,
    weaknesses=(Bypass("a naive proxy with a list of forbidden paths stands before storefront, not the gateway"),),
    control=Control(
        name="one form of a path is matched, authorised and sent on; what needs interpretation is refused",
        where="gateway",
        lines="# always so (docs/strictness.md); and what is listed is what may be reached, not what may not",
        elsewhere=(
            "# Envoy, HttpConnectionManager; off unless set\nnormalize_path: true\nmerge_slashes: true\n"
            "path_with_escaped_slashes_action: REJECT_REQUEST"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "How many ways are there to write a letter in a path? Begin with %73.",
        "Who reads the path: the rule, the proxy, the service? Do they read the same?",
        "Make it canonical first, then compare; and compare with what is allowed.",
    ),
    wrong_fixes=(
        WrongFix("add the other spellings to the list", "Each letter has three, and dots, slashes and both combined."),
        WrongFix("decode twice, to be sure", "Then %252e is a dot for you, and for the service it was none."),
        WrongFix("compare without regard to case", "Right for this service perhaps, and still %73 gets through."),
    ),
    questions=(
        (
            "What is compared here?",
            "Two things at the front door: a proxy of the lab's with the mistakes, and the gateway. The service is the "
            "same, and decodes paths as HTTP libraries do.",
        ),
        (
            "Why does the gateway refuse .. and not resolve it?",
            "Honest clients resolve it before they send.",
        ),
    ),
)

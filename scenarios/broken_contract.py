"""Orders renames a field, and every process is healthy."""

from __future__ import annotations

from scenarios.lab.model import Control, Outcome, Plant, Scenario, WrongFix
from scenarios.lab.target import Target

NOTHING = "€0.00"


def attack(lab: Target) -> Outcome:
    """No attacker: somebody opens the shop's page, and looks at the prices."""
    page = lab.call("nobody", "GET", "/").body.decode()
    healthy = [
        lab.call("nobody", "GET", "/readyz", base_url=lab.service_url(one)).status for one in ("orders", "storefront")
    ]
    free = page.count(NOTHING)
    return Outcome(
        breached=free > 0,
        got=f"{free} products for nothing" if free else "a page that says what is missing",
        measures={
            "prices of 0.00 on the page": str(free),
            "services that say they are healthy": f"{healthy.count(200)} of {len(healthy)}",
            "the page says": "nothing" if free else "orders answered against its contract",
        },
    )


def benign(lab: Target) -> bool:
    """Whoever needs nothing of that contract notices nothing: reviews, and one's own orders."""
    reviews = lab.graphql("nobody", "{ reviews(first: 2) { stars } }").json()
    return bool(reviews["data"]["reviews"]) and lab.call("alice", "GET", "/orders").status == 200


SCENARIO = Scenario(
    id="broken-contract",
    title="A field is renamed, and everything is free",
    story=(
        "A new version of orders calls it amount, which is the better word; it said price before. All its tests pass. "
        "All processes are healthy, nothing is logged, nobody is called. The storefront finds none and shows "
        "everything for nothing."
    ),
    references=("OWASP API10:2023", "CWE-1288", "CWE-754"),
    claims=("C2", "C5", "C9"),
    difficulty=3,
    minutes=8,
    weaknesses=(Plant("storefront", "lenient-reading"),),
    control=Control(
        name="answers of others are read strictly, at the border",
        where="service",
        lines=(
            "class Product(BaseModel):\n    price: int            # required\n"
            "…\nexcept ValidationError:\n    raise PeerError(self._name, 'answered against its contract')"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Every process is up. How do you find out that something is wrong?",
        "Compare what orders answers with its OpenAPI document.",
        "Whoever reads an answer decides what a missing field means. What should it mean here?",
    ),
    wrong_fixes=(
        WrongFix(
            "better health checks", "Orders is healthy, and so is the storefront. The contract between them is not."
        ),
        WrongFix("a default for what is missing", "That is what happened: the default was nothing."),
        WrongFix(
            "refuse fields that are not known", "Then each new field breaks the shop, and a missing one still does not."
        ),
    ),
    questions=(
        (
            "What breaks an API and no process?",
            "Its contract. Whoever changes it alone, changes other people's programs.",
        ),
        ("Where else could it be caught?", "Before it runs: the description of both versions compared, in the build."),
    ),
    stage=(Plant("orders", "renamed-field"),),
)

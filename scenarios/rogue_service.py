"""A process that nobody knows calls internal APIs."""

from __future__ import annotations

from scenarios.lab import spy
from scenarios.lab.model import Control, Instead, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target


def attack(lab: Target) -> Outcome:
    """A program without identity and without a secret looks for services, and asks what they offer."""
    found = spy.beside(lab)
    got = f"{len(found['let_in'])} internal operations let it in" if found["let_in"] else "nobody talks to it"
    return Outcome(breached=bool(found["let_in"]), got=got, measures=spy.measures(found))


def benign(lab: Target) -> bool:
    """Services still talk to each other: the shop's page shows products, which the storefront asks of orders."""
    page = lab.call("nobody", "GET", "/")
    return page.status == 200 and lab.call("alice", "GET", "/orders").status == 200 and b"missing" not in page.body


SCENARIO = Scenario(
    id="rogue-service",
    title="A process without identity calls internal APIs",
    story=(
        "Somebody runs a program on the same machine: a test that was forgotten, a container that was taken over. It "
        "finds the services' ports by looking. Past the gateway there is no limit on guesses at /login, and whatever a "
        "service offers to its colleagues it offers to this program, too."
    ),
    references=("OWASP API9:2023", "CWE-306", "RFC 8446 section 4.4.2"),
    claims=("C6", "C13"),
    difficulty=2,
    minutes=8,
    weaknesses=(Instead("gateway"),),
    control=Control(
        name="mutual TLS to every service, and only from its own sidecar",
        where="mesh",
        lines="gatehouse up --mesh",
        elsewhere="# Istio\nkind: PeerAuthentication\nspec:\n  mtls: {mode: STRICT}",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse ps shows on which ports services listen. Who else can see them?",
        "curl one of them, past the gateway.",
        "In the mesh: curl -k https:// the address that gatehouse mesh status shows. What is missing in the handshake?",
    ),
    wrong_fixes=(
        WrongFix("keep the ports secret", "Finding who listens takes a second, and no right at all."),
        WrongFix("a firewall", "Whoever runs on one of the allowed machines is inside of it."),
        WrongFix("a token check in each service", "They have it. /login, /token and /products need no token."),
    ),
    questions=(
        (
            "Each service checks tokens. What does the program gain without one?",
            "Everything that comes before a token: the login without the gateway's limit, descriptions, public data.",
        ),
        (
            "Two things refuse it in the mesh. Which?",
            "The sidecar's port wants a certificate; the service's own port wants the secret of its sidecar.",
        ),
    ),
    architecture="mesh",
)

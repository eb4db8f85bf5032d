"""The attacker's program at work: beside the shop, or inside a service's process.

The problem: how far somebody gets depends on where they stand, and a table of what should be possible proves nothing.
The rule: one program (foothold.py) is run there for real; what it could do is counted, and each try is evidence.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from gateway.cli.console import Failure
from scenarios.lab.client import Exchange
from scenarios.lab.model import Plant, Rewrite
from scenarios.lab.target import Target

PROGRAM: Final = Path(__file__).with_name("foothold.py")
OPERATIONS: Final = (
    ("identity", "GET", "/jwks.json"),
    ("identity", "GET", "/users"),
    ("identity", "POST", "/login"),
    ("identity", "POST", "/token"),
    ("identity", "POST", "/introspect"),
    ("identity", "POST", "/credential-resets"),
    ("identity", "POST", "/keys/rotate"),
    ("orders", "GET", "/products"),
    ("orders", "GET", "/orders"),
    ("orders", "POST", "/orders"),
    ("orders", "GET", "/openapi.json"),
    ("profiles", "GET", "/profiles"),
    ("profiles", "POST", "/profiles"),
    ("profiles", "GET", "/profiles/alice"),
    ("profiles", "DELETE", "/profiles/alice"),
    ("profiles", "POST", "/profiles/alice/recover"),
    ("profiles", "POST", "/profiles/soap"),
    ("orders", "GET", "/totals"),
    ("reports", "GET", "/reports/sales"),
    ("reports", "POST", "/reports/rebuild"),
    ("reports", "GET", "/openapi.json"),
    ("recommendations", "GET", "/recommendations?products=1"),
    ("storefront", "GET", "/"),
    ("storefront", "GET", "/schema.graphql"),
    ("storefront", "POST", "/graphql"),
)
"""What services offer to whoever reaches them."""
SERVICES: Final = tuple(dict.fromkeys(service for service, _, _ in OPERATIONS))
DEBUG_PATH: Final = "/debug/run"


def debug_endpoint(service: str) -> tuple[Plant, Plant, Rewrite]:
    """A way to run code in a service's process, and a route that leads there: the hole that an attacker found.

    In a monolith it is a hole of the whole.
    """

    def add_route(document: dict[str, Any], _: Target) -> None:
        document["routes"].append({
            "name": "lab-debug",
            "listeners": ["public"],
            "matches": [{"path": {"type": "Exact", "value": DEBUG_PATH}, "method": "POST"}],
            "public": True,
            "backendRefs": [{"cluster": service}],
        })  # fmt: skip

    hole = Rewrite(add_route, f"a debug endpoint of {service} that anybody can reach")
    return Plant(service, "debug-endpoint"), Plant("monolith", "debug-endpoint"), hole


def let_in(service: str) -> Rewrite:
    """In a mesh that hole lies behind the service's own sidecar, which must let the gateway through to it."""

    def allow(document: dict[str, Any], _: Target) -> None:
        (sidecar,) = (one for one in document["services"] if one["name"] == service)
        (policy,) = (one for one in sidecar["filters"] if one["type"] == "AuthorizationPolicy")
        policy["allow"].append({"name": "lab-debug", "principals": ["gateway"], "paths": [DEBUG_PATH]})

    return Rewrite(allow, f"the sidecar of {service} lets the gateway reach it", file="mesh")


def beside(lab: Target, **known: Any) -> dict[str, Any]:
    """What a process of its own reaches, that has no identity and no secret; `known` is what it knows besides."""
    script = f"{PROGRAM.read_text()}\nimport sys\nprint(json.dumps(look(json.load(sys.stdin))))"
    done = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-I", "-c", script],
        input=json.dumps({**_told(lab), **known}),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode:
        raise Failure(f"The attacker's program failed: {done.stderr[-500:]}")
    return _noted(lab, "rogue", json.loads(done.stdout))


def inside(lab: Target, service: str, base_url: str = "") -> dict[str, Any]:
    """What the attacker's code reaches inside a service's process, which has that service's rights and secrets."""
    asked = {"program": PROGRAM.read_text(), "told": _told(lab)}
    answer = lab.call("nobody", "POST", DEBUG_PATH, json=asked, base_url=base_url)
    found = answer.json()
    if answer.status != 200 or not isinstance(found, dict):
        raise Failure(f"The attacker's program did not run in {service}: {answer.status} {answer.body[:300]!r}")
    return _noted(lab, service, found)


def _told(lab: Target) -> dict[str, Any]:
    """What anybody on this machine can find out: who listens where."""
    instance = lab.instance
    bases = {name: [lab.service_url(name) if name in instance.ports else instance.public_url] for name in SERVICES}
    if lab.architecture == "mesh":
        for one in instance.admin("GET", "/mesh")["sidecars"]:
            bases.setdefault(one["service"], []).append(f"https://{one['address']}")
    return {
        "bases": bases,
        "operations": OPERATIONS,
        "state": str(instance.state_dir),
        "files": sorted(instance.ports),
        "admin": instance.admin_url,
    }


def _noted(lab: Target, who: str, found: dict[str, Any]) -> dict[str, Any]:
    for one in found["tried"]:
        request = f"{one['service']}: {one['operation']}"
        lab.client.note(Exchange(who, request, one["status"], one["reason"], "", False, "", "", by=one["by"]))
    return found


def measures(found: dict[str, Any]) -> dict[str, str]:
    """The counts of what was reached."""
    return {
        "services reached": f"{len(found['services'])} of {len(SERVICES)}",
        "operations that let it in": f"{len(found['let_in'])} of {len(OPERATIONS)}",
    }

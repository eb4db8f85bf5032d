"""Whether the shop is well: what people do works, and nothing of an incident is left."""

from __future__ import annotations

import time

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from gateway.cli.tokens import NOBODY, token_for
from gateway.cli.wire import send
from scenarios.incidents.bench import Bench
from scenarios.incidents.load import VISITS, Visit

EXPECTED = {"/orders": 409}
"""By path; else 200. Whoever wants more than their share is refused by the service, which is right."""
QUICK = 5.0


def ills(instance: Instance) -> list[str]:
    """What is not as it should be; empty when all is well."""
    found = [why for visit in VISITS if (why := _ill(instance, visit))]
    if instance.admin("GET", "/config")["override"] is not None:
        found.append("the gateway's configuration is still changed")
    if Bench(instance).dirty:
        found.append("something has not been undone")
    running = instance.supervisor({"do": "ps"})["processes"]
    found += [f"{one['name']} is at {one['version']}" for one in running if one.get("version") not in (None, "v1")]
    return found


def until_well(instance: Instance, within: float) -> list[str]:
    """What is still wrong after so many seconds; limits fill up again, connections are made anew."""
    deadline = time.monotonic() + within
    while (found := ills(instance)) and time.monotonic() < deadline:
        time.sleep(0.3)
    return found


def _ill(instance: Instance, visit: Visit) -> str:
    path = visit.path.format(n=1)
    headers = list(visit.headers.items())
    began = time.monotonic()
    try:
        if visit.who != NOBODY:
            headers.append(("Authorization", f"Bearer {token_for(instance, visit.who)}"))
        answer = send(instance.public_url, visit.method, path, headers=headers, body=visit.body.encode())
    except Failure as failure:
        return f"{path}: {failure}"
    if answer.status != EXPECTED.get(path, 200) or b'"errors"' in answer.body:
        return f"{visit.method} {path} answered {answer.status}"
    return f"{path} took longer than {QUICK:g} s" if time.monotonic() - began > QUICK else ""

"""SOAP operations that are offered as GET and seem to change something."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System
from gateway.spec.mediation import SoapToRest

_CHANGES: Final = re.compile(
    r"(add|approve|book|buy|cancel|change|confirm|create|deactivate|delete|disable|drop|edit|enable|insert|lock|modify"
    r"|move|order|pay|place|post|put|recover|register|reject|remove|rename|reset|save|send|set|start|stop|store|submit"
    r"|transfer|unlock|update|write)",
    re.IGNORECASE,
)
"""The first word of a name, as in CreateProfile, createProfile, create_profile."""
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?=[A-Z]|[^A-Za-z]|$)")


def find(system: System) -> Iterator[Found]:
    """A contract does not say which operations only read; names mostly do."""
    for path, route in routes(system):
        for place, item in enumerate(route.filters):
            for index, one in enumerate(item.operations if isinstance(item, SoapToRest) else ()):
                if one.method == "GET" and says_change(one.name):
                    told = f"GET {one.path} runs {one.name}"
                    yield Found((*path, "filters", place, "operations", index, "method"), f"route {route.name}", told)


def says_change(name: str) -> bool:
    """Whether the first word of an operation's name is one for changing something."""
    word = _WORD.match(name)
    return word is not None and _CHANGES.fullmatch(word[0]) is not None


CHECK = Check(
    id="mediated-get",
    severity="medium",
    title="A SOAP operation whose name says that it changes something is offered as GET",
    why="Browsers, caches and crawlers send GET by themselves, links do it with the user's cookies, and it is repeated "
    "after failures.",
    fix="Offer it by POST, PUT, PATCH or DELETE. Where it only reads in spite of its name, accept it.",
    owasp="API8:2023",
    find=find,
)

"""Weak code, on purpose: what profiles does instead of the right thing when the lab asks for a weakness.

Nothing here runs unless a lesson has named the weakness in this process' settings (`gatehouse lab break …`); each
place that asks for one is marked `LAB`. Files are read from one folder of canaries; what expands is bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lxml import etree

from sample_services.kit.auth import Claims
from sample_services.kit.client import HttpClient
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem
from sample_services.profiles import store
from sample_services.profiles.access import RULES
from sample_services.profiles.model import Profile

CANARY = "CANARY (no real secret)"
MAX_EXPANDED = 32 * 1024 * 1024
"""Characters that entities may come to: enough to see the harm, not enough to do it."""


def parse_reading_files(data: bytes, canaries: Path) -> etree._Element:
    """As XML parsers did for years: entities are resolved, also those that stand in a file."""
    canaries.mkdir(mode=0o700, exist_ok=True)
    (canaries / "hostname").write_text(CANARY)
    parser = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=True)
    parser.resolvers.add(_OnlyCanaries(canaries))
    return etree.fromstring(data, parser)


class _OnlyCanaries(etree.Resolver):
    """Whatever file a document names, it gets the canary of that name, or nothing."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]
        """Never None: then lxml would go and read the file itself."""
        file = self._folder / Path(system_url).name
        return self.resolve_string(file.read_text() if file.is_file() else "", context, base_url=system_url)


def parse_expanding(data: bytes) -> etree._Element:
    """Entities are expanded without end, as old parsers did: the libxml2 of today refuses that by itself."""
    text, values = data.decode(), dict[str, str]()
    for name, value in re.findall(r'<!ENTITY\s+(\w+)\s+"([^"]*)">', text):
        values[name] = _filled(value, values)
    content = _filled(text.rpartition("]>")[2], values)
    return etree.fromstring(content.encode(), etree.XMLParser(huge_tree=True, no_network=True))


def _filled(text: str, values: Mapping[str, str]) -> str:
    parts = re.split(r"&(\w+);", text)  # text, name, text, name, …
    if sum(len(values.get(name, "")) for name in parts[1::2]) > MAX_EXPANDED:
        raise Problem(413, "too_large", "the lab lets no bomb do more than that")
    parts[1::2] = [values.get(name, f"&{name};") for name in parts[1::2]]
    return "".join(parts)


def operation_of(body: etree._Element) -> str:
    """What the body asks for; SOAPAction is the gateway's business."""
    return etree.QName(body).localname


def allowed_everything(claims: Claims) -> Claims:
    """The gateway has checked what this caller may do. Has it not?"""
    everything = claims.scopes | {rule.scope for rule in RULES.values()}
    return replace(claims, roles=frozenset({"admin"}), scopes=everything)


async def recover_at_once(db: Database, http: HttpClient, claims: Claims, username: str) -> tuple[Profile, str]:
    """Recover for whoever asks, and hand out what identity says, so that support need not wait for the mail."""
    profile = await db.write(store.restore, username)
    asked = {"username": username, "reason": f"recovered by {claims.subject}"}
    token = await http.token("credentials:reset")
    answer = await http.request("identity", "POST", "/credential-resets", token=token, json=asked)
    return profile, str(answer.json().get("mail", "pending")) if answer.status == 202 else "pending"

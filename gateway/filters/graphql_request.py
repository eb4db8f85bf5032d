"""A GraphQL request over HTTP, read so strictly that the service cannot read it in another way.

The problem: whoever can make the guard read one query and the service another one passes every limit: by a JSON
member that stands twice, by another encoding, by a `query` in the address, by a form that a browser sends across
sites (CSRF). The rule: POST, `application/json`, UTF-8, every member once, and nothing of the request in the
address (GraphQL over HTTP, section 5; OWASP GraphQL Cheat Sheet).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.filters.strict_json import JSON_TYPE, read_json
from gateway.http.messages import Reply, Request

MEMBERS: Final = frozenset(("query", "operationName", "variables", "extensions"))
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

NOT_POST: Final = Reply(405, "graphql_not_post", "send the operation by POST", ((b"allow", b"POST"),))
NOT_JSON: Final = Reply(415, "graphql_not_json", "send the operation as application/json, in UTF-8")
IN_ADDRESS: Final = Reply(400, "graphql_in_address", "the operation belongs into the body, not into the address")


@dataclass(frozen=True)
class Asked:
    """One operation as the client asks for it."""

    query: str
    """Empty when only the digest of a known query was sent."""
    digest: str
    """The SHA-256 by which a known query is asked for, or empty."""
    name: str
    """Which operation of the query; empty when it has only one."""
    variables: Mapping[str, Any]
    extensions: Mapping[str, Any]

    def document(self, query: str) -> dict[str, Any]:
        """The same for the service, which needs the text and knows of no digests."""
        rest = {name: value for name, value in self.extensions.items() if name != "persistedQuery"}
        optional = {"operationName": self.name, "variables": self.variables, "extensions": rest}
        return {"query": query} | {name: value for name, value in optional.items() if value}


def check_head(request: Request) -> Reply | None:
    """Whether it can be a GraphQL request at all."""
    if request.target_method != "POST":
        return NOT_POST
    if not JSON_TYPE.fullmatch(request.fields.get(b"content-type", b"")):
        return NOT_JSON
    if request.query and any(name in MEMBERS for name, _ in parse_qsl(request.query, keep_blank_values=True)):
        return IN_ADDRESS
    return None


def read_body(body: bytes) -> tuple[list[Asked], bool]:
    """The operations in a body, and whether they came as a batch.

    Raises:
        ValueError: it is no GraphQL request; a sentence for the client.
    """
    document = read_json(body)
    if isinstance(document, list):
        return [_asked(one) for one in document], True
    return [_asked(document)], False


def _asked(document: Any) -> Asked:
    if not isinstance(document, dict) or not document.keys() <= MEMBERS:
        raise ValueError(f"an operation is an object with {', '.join(sorted(MEMBERS))} and nothing else")
    query, name = _text(document, "query"), _text(document, "operationName")
    variables, extensions = _object(document, "variables"), _object(document, "extensions")
    digest = _digest(extensions.get("persistedQuery"))
    if not query and not digest:
        raise ValueError("there is no query")
    return Asked(query, digest, name, variables, extensions)


def _text(document: dict[str, Any], member: str) -> str:
    value = document.get(member)
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{member} is a text")
    return value or ""


def _object(document: dict[str, Any], member: str) -> dict[str, Any]:
    value = document.get(member)
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"{member} is an object")
    return value or {}


def _digest(persisted: Any) -> str:
    """Apollo's form: {"version": 1, "sha256Hash": "…"}."""
    if persisted is None:
        return ""
    digest = persisted.get("sha256Hash") if isinstance(persisted, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ValueError("extensions.persistedQuery names a query by sha256Hash, 64 lower-case hexadecimal digits")
    return digest

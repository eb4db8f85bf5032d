"""Who may call an operation: security requirements of a document as filters of ours.

The problem: what a document asks for and what a gateway checks are not the same list: a key in a query, a password in
each request, two proofs at once. The rule: what can be checked here is; what cannot closes the route, with a line that
says why; nothing is opened because it was not understood.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.importing.openapi_file import OpenApiFile
from gateway.spec.source import PathTuple

TOKEN_TYPES: Final = ("oauth2", "openIdConnect")
NOT_FOR_KEYS: Final = frozenset({"authorization", "cookie", "host"})


@dataclass
class Access:
    """How one operation is protected; nothing at all: everybody may call it."""

    public: str = ""
    """Why it is open."""
    tokens: list[tuple[str, ...]] = field(default_factory=list)
    """Scopes; of several sets one is enough."""
    key_header: str = ""
    """An API key in this header is enough."""
    closed: str = ""
    """Why nobody may pass until somebody has decided."""
    left_out: list[str] = field(default_factory=list)
    """Other ways that the document knows, and why they are not ours."""


def read_access(document: OpenApiFile, operation: Mapping[str, Any], path: PathTuple) -> Access:
    """The access of the operation at `path`; its own `security` counts in place of the document's."""
    own = "security" in operation
    said = operation["security"] if own else document.data.get("security", ())
    place: PathTuple = (*path, "security") if own else ("security",)
    if not isinstance(said, Sequence) or isinstance(said, str):
        document.report(place, "expected a list of security requirements")
        return Access(closed="its security cannot be read")
    if not said:
        return Access(public="the document asks for no security here")
    alternatives = [_mechanism(document, one, (*place, index)) for index, one in enumerate(said)]
    if any(not one for one in said):
        return Access(public="the document makes security optional here: the service decides")
    usable = [one for one in alternatives if not one.closed]
    if not usable:
        return alternatives[0]
    keys = list(dict.fromkeys(one.key_header for one in usable if one.key_header))
    left_out = [one.closed for one in alternatives if one.closed]
    left_out += [f"a key in the header {one} would do as well, and a route reads one" for one in keys[1:]]
    tokens = list(dict.fromkeys(one.tokens[0] for one in usable if one.tokens))
    return Access(tokens=tokens, key_header=keys[0] if keys else "", left_out=left_out)


def _mechanism(document: OpenApiFile, requirement: Any, path: PathTuple) -> Access:
    """One requirement: all of its schemes together."""
    if not isinstance(requirement, Mapping):
        document.report(path, "expected a mapping of schemes to scopes")
        return Access(closed="its security cannot be read")
    scopes: list[str] = []
    headers: list[str] = []
    for name, wanted in requirement.items():
        kind, told = _kind(document, name, (*path, name))
        if kind == "token":
            scopes += [str(one) for one in wanted] if isinstance(wanted, Sequence) else []
        elif kind == "key":
            headers.append(told)
        else:
            return Access(closed=told)
    if not headers:
        return Access(tokens=[tuple(dict.fromkeys(scopes))])
    if len(headers) < len(requirement) or len(headers) > 1:
        return Access(closed="it asks for several proofs at once, and a route checks one")
    return Access(key_header=headers[0])


def _kind(document: OpenApiFile, name: str, path: PathTuple) -> tuple[str, str]:
    """What a scheme is checked by: a token; a key, and its header; or by nothing here, and why."""
    components = document.data.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, Mapping) else None
    if not isinstance(schemes, Mapping) or name not in schemes:
        document.report(path, f'there is no security scheme "{name}" in components.securitySchemes', key=True)
        return "none", f"the scheme {name} is not described"
    scheme = document.follow(schemes[name], ("components", "securitySchemes", name))
    kind, place = scheme.get("type"), str(scheme.get("in", ""))
    style, header = str(scheme.get("scheme", "")).lower(), str(scheme.get("name", "")).lower()
    if kind in TOKEN_TYPES or (kind == "http" and style == "bearer"):
        return "token", ""
    if kind == "apiKey" and place == "header" and header == "authorization":
        return "token", ""
    if kind == "apiKey" and place == "header" and header and header not in NOT_FOR_KEYS:
        return "key", header
    if kind == "apiKey":
        return "none", f"scheme {name} has its key in the {place or 'unknown'}, and a header is where keys are read"
    told = f"HTTP {style}" if kind == "http" else str(kind)
    return "none", f"scheme {name} is {told}, which no filter here checks"

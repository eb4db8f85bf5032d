"""A starting configuration from an OpenAPI document.

The problem: whoever has a document of fifty operations writes fifty routes by hand, or one route for all that lets
everything pass. The rule: one route for each operation and none for anything else; what the document says is taken as
it is, what it does not say is a guess, and every guess is marked LOOK. The result is for people to read and change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.importing.address import Address, read_address
from gateway.importing.openapi_file import OpenApiFile
from gateway.importing.openapi_operations import Described, read_described, slug
from gateway.importing.openapi_routes import Names, route_lines
from gateway.importing.yaml_text import comment, quoted
from gateway.spec.openapi.contract import read_contract
from gateway.spec.openapi.servers import server_url

PER_MINUTE, BURST = 600, 100
_DISCOVERY: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class Wishes:
    """What people say besides the document."""

    cluster: str | None = None
    """Where the service is: `host:port` or a URL."""
    issuer: str | None = None
    """Who issues the tokens: its URL, as `iss` has it."""
    port: int = 8088
    document: str | None = None
    """The document's path as the configuration names it; None: its name, since it will stand beside."""


@dataclass
class Imported:
    """A configuration, and what was learnt on the way."""

    text: str
    routes: int
    looks: int
    """Lines that somebody has to look at."""
    wants_keys: bool
    """Whether it names the file of API keys."""
    mistakes: tuple[str, ...] = ()
    """Why nothing is held to the document, if nothing is."""


@dataclass
class _Parts:
    """What the sections share."""

    document: OpenApiFile
    operations: list[Described]
    wishes: Wishes
    names: Names = field(default_factory=Names)

    @property
    def info(self) -> dict[str, Any]:
        info = self.document.data.get("info")
        return dict(info) if isinstance(info, dict) else {}

    @property
    def wants_tokens(self) -> bool:
        return any(one.access.tokens for one in self.operations)


def configuration(document: OpenApiFile, wishes: Wishes) -> Imported:
    """The configuration for a document.

    Raises:
        SpecErrors: everything in the document that stands in the way, each with its line.
        ValueError: a wish that makes no sense.
    """
    operations = read_described(document)
    document.stop_on_errors()
    parts = _Parts(document, operations, wishes)
    title = slug(str(parts.info.get("title") or "")) or "service"
    parts.names.cluster = title if title != parts.names.provider else f"{title}-api"
    parts.names.owner, parts.names.version = _owner(parts.info), str(parts.info.get("version") or "")
    mistakes = read_contract(str(document.path)).mistakes
    parts.names.document = "" if mistakes else wishes.document or document.name
    lines = [*_head(parts), *_listeners(wishes), *_providers(parts), *_clusters(parts), *_filters(mistakes)]
    lines += ["routes:", *route_lines(operations, parts.names)]
    text = "\n".join(lines) + "\n"
    return Imported(
        text=text,
        routes=text.count("\n  - name: ", text.index("\nroutes:")),
        looks=sum("# LOOK" in line for line in lines),
        wants_keys=any(one.access.key_header for one in operations),
        mistakes=mistakes,
    )


def _owner(info: dict[str, Any]) -> str:
    contact = info.get("contact")
    said = contact if isinstance(contact, dict) else {}
    return str(said.get("name") or said.get("email") or "")


def _head(parts: _Parts) -> list[str]:
    info, document = parts.info, parts.document
    named = f"{info.get('title') or 'a service'} {info.get('version') or ''}".strip()
    return [
        comment(
            f"Made by `gatehouse import openapi` from {document.name}: {named} (OpenAPI {document.data['openapi']})."
        ),
        "# One route for each operation, and no other: what the document does not name is 404, HEAD and OPTIONS too.",
        "# Go through the lines marked LOOK: there the document says nothing, or what is not done here. Then:",
        "#   gatehouse check FILE      gatehouse run --config FILE      gatehouse audit FILE",
        "",
    ]


def _listeners(wishes: Wishes) -> list[str]:
    return ["listeners:", "  - name: public", f"    port: ${{GATEHOUSE_PUBLIC_PORT:-{wishes.port}}}", ""]


def _providers(parts: _Parts) -> list[str]:
    if not parts.wants_tokens:
        return []
    issuer, why = _issuer(parts)
    look = f"  # LOOK: {why}" if why else ""
    return [
        "# Whose tokens are believed. `iss` must be equal letter by letter; the keys come from the cluster below.",
        "providers:",
        f"  - name: {parts.names.provider}",
        f"    issuer: {quoted(issuer)}{look}",
        f"    audiences: [{quoted(parts.names.cluster)}]  # LOOK: what `aud` says in tokens for this API",
        f"    jwks: {{cluster: {parts.names.provider}, path: /.well-known/jwks.json}}  # LOOK: where its key set is",
        "",
    ]


def _issuer(parts: _Parts) -> tuple[str, str]:
    """The issuer, and what there is to look at."""
    if parts.wishes.issuer:
        return parts.wishes.issuer, ""
    found: list[str] = []
    components = parts.document.data.get("components")
    schemes = components.get("securitySchemes") if isinstance(components, dict) else {}
    for scheme in schemes.values() if isinstance(schemes, dict) else ():
        found += _addresses(scheme) if isinstance(scheme, dict) else ()
    known = [one for one in dict.fromkeys(found) if _usable(one)]
    if not known:
        return "https://issuer.example", "the document does not say who issues the tokens"
    if len(known) > 1:
        return known[0], f"the document knows several, {', '.join(known)}: add a provider for each that you believe"
    return known[0], "guessed from the addresses in the document"


def _addresses(scheme: dict[str, Any]) -> Iterator[str]:
    discovery = scheme.get("openIdConnectUrl")
    if isinstance(discovery, str) and discovery.endswith(_DISCOVERY):
        yield discovery.removesuffix(_DISCOVERY)
    flows = scheme.get("flows")
    for flow in flows.values() if isinstance(flows, dict) else ():
        parts = (
            urlsplit(str(flow.get("tokenUrl") or flow.get("authorizationUrl") or ""))
            if isinstance(flow, dict)
            else None
        )
        if parts is not None and parts.scheme == "https" and parts.netloc:
            yield f"https://{parts.netloc}"


def _clusters(parts: _Parts) -> list[str]:
    said = server_url(parts.document.data)
    where, look = "127.0.0.1:8000", "the document does not say where the service is"
    if parts.wishes.cluster:
        where, look = parts.wishes.cluster, ""
    elif "://" in said and _usable(said):
        where, look = said, ""
    lines = ["clusters:", *_cluster(parts.names.cluster, read_address(where), look)]
    if parts.wants_tokens:
        lines += _cluster(parts.names.provider, read_address(_issuer(parts)[0]), "")
    return [*lines, ""]


def _usable(text: str) -> bool:
    """Whether an address of the document is one for us; a wish that is none is refused instead."""
    try:
        read_address(text)
    except ValueError:
        return False
    return True


def _cluster(name: str, address: Address, look: str) -> list[str]:
    lines = [f"  - name: {name}", f"    endpoints: [{quoted(address.endpoint)}]"]
    lines[1] += f"  {comment('LOOK: ' + look)}" if look else ""
    if address.tls:
        lines.append("    tls: {}  # its certificate must be good for this name")
    return lines


def _filters(mistakes: Sequence[str]) -> Sequence[str]:
    return [
        "# For every route, before tokens and keys: trying those out costs the sender. Yours may want another rate.",
        "filters:",
        f"  - {{type: RateLimit, name: per-address, requests: {PER_MINUTE}, per: 1m, burst: {BURST}}}",
        "",
        *(_held() if not mistakes else _not_held(mistakes)),
    ]


def _held() -> Sequence[str]:
    return [
        "# Requests are held to the document. Answers are only compared with it: look at the log, and at",
        "# gateway_schema_violations_total. Once it is true of what the service answers, set `mode: enforce`.",
    ]


def _not_held(mistakes: Sequence[str]) -> Sequence[str]:
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return [
        f"# LOOK: nothing is held to the document, since it has mistakes{more}:",
        comment(f"  {mistakes[0]}"),
        "# Parameters and bodies pass as they are: sizes are bounded here, contents are for the service to check. When",
        "# the document is right, an OpenApiValidation has its place at the end of each route's filters.",
    ]

"""One route for each operation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.importing.openapi_operations import Described, unique_name
from gateway.importing.yaml_text import comment, quoted

KEY_FILE: Final = "api-keys.json"
MAX_DOCUMENT: Final = 1_048_576
MAX_FILE: Final = 10_485_760
"""Bytes of a request's body: of one that is a document, and of one that may be a file."""
CLOSED: Final = "not-decided-yet"


@dataclass
class Names:
    """What routes refer to, and what they all say of themselves."""

    cluster: str = "service"
    provider: str = "issuer"
    owner: str = ""
    version: str = ""
    document: str = ""
    """What requests are held to; nothing, if it cannot be."""


def route_lines(operations: Sequence[Described], names: Names) -> list[str]:
    """The routes: plain paths as the document has them, then expressions, most specific first."""
    plain = [one for one in operations if one.template.kind == "Exact"]
    patterns = sorted(
        (one for one in operations if one.template.kind != "Exact"), key=lambda one: (one.template.rank, one.path)
    )
    taken = {one.name for one in operations}
    lines: list[str] = []
    for one in plain:
        lines += _routes(one, names, taken, two=True)
    if patterns:
        lines += [
            "",
            "  # Paths with parameters. The first that fits counts, so their order matters: most specific first.",
        ]
    for one in patterns:
        lines += _routes(one, names, taken, two=not _overlapped(one, patterns))
    return lines


def _overlapped(one: Described, patterns: Iterable[Described]) -> bool:
    """Whether another template may fit the same path. A match by header would then go before the more specific one."""
    return any(
        one.template.segments != other.template.segments and one.template.overlaps(other.template) for other in patterns
    )


def _routes(one: Described, names: Names, taken: set[str], two: bool) -> Iterator[str]:
    """Its route; a second one where a token or a key is enough, told apart by the key's header."""
    access = one.access
    yield ""
    yield f"  {comment(f'{one.method} {one.path}' + (f': {one.summary}' if one.summary else ''))}"
    both = bool(access.tokens and access.key_header)
    for reason in access.left_out:
        yield f"  {comment(f'LOOK: another way in is not taken over: {reason}')}"
    if both and not two:
        yield f"  # LOOK: a key in {access.key_header} would do as well; another path here fits the same requests."
    if both and two:
        name = unique_name(f"{one.name}-by-key", taken)
        header = f', headers: [{{type: RegularExpression, name: {quoted(access.key_header)}, value: ".+"}}]'
        yield from _route(one, names, name, header, _key_filters(one))
    yield from _route(one, names, one.name, "", _filters(one, names))


def _route(one: Described, names: Names, name: str, more: str, filters: Iterable[str]) -> Iterator[str]:
    path = f"path: {{type: {one.template.kind}, value: {quoted(one.template.value)}}}"
    yield f"  - name: {name}"
    yield f"    matches: [{{{path}, method: {one.method}{more}}}]"
    if names.owner:
        yield f"    owner: {quoted(names.owner)}"
    if names.version:
        yield f"    version: {quoted(names.version)}"
    if one.deprecated:
        yield "    lifecycle: deprecated"
    if one.access.closed:
        yield f"    public: true  {comment(f'LOOK: closed by the policy below: {one.access.closed}')}"
    elif one.access.public:
        yield f"    public: true  {comment(one.access.public)}"
    yield "    filters:"
    yield from filters
    if names.document and not one.access.closed:
        yield _validation(one, names.document)
    yield f"    backendRefs: [{{cluster: {names.cluster}}}]"


def _filters(one: Described, names: Names) -> Iterator[str]:
    access = one.access
    if access.closed:
        yield f"      - {{type: AuthorizationPolicy, deny: [{{name: {CLOSED}, methods: [{one.method}]}}]}}"
    elif access.tokens:
        yield f"      - {{type: JWT, provider: {names.provider}}}"
        yield from _scopes(access.tokens)
    elif access.key_header:
        yield from _key_filters(one)
        return
    yield _size(one)


def _key_filters(one: Described) -> Iterator[str]:
    header = quoted(one.access.key_header)
    told = f"# `gatehouse key create NAME --file {KEY_FILE}`"
    yield f"      - {{type: ApiKey, keys: {KEY_FILE}, header: {header}}}  {told}"
    yield _size(one)


def _scopes(alternatives: list[tuple[str, ...]]) -> Iterator[str]:
    """All scopes of the one set; of several sets any."""
    if not all(alternatives):
        return  # one of them asks for a good token only
    if len(alternatives) == 1:
        yield f"      - {{type: Authorize, scopes: {_listed(alternatives[0])}}}"
        return
    yield "      - type: AuthorizationPolicy  # any of these"
    yield "        allow:"
    for number, scopes in enumerate(alternatives, 1):
        yield f"          - {{name: way-{number}, scopes: {_listed(scopes)}}}"


def _listed(scopes: tuple[str, ...]) -> str:
    return f"[{', '.join(map(quoted, scopes))}]"


def _validation(one: Described, document: str) -> str:
    """Files stream past: a filter that reads bodies whole is not for them."""
    rules = {"": "", "document": f"request: {{maxBytes: {MAX_DOCUMENT}}}, ", "file": "request: {body: off}, "}
    told = f"document: {quoted(document)}, {rules[one.body]}response: {{mode: report}}"
    return f"      - {{type: OpenApiValidation, {told}}}"


def _size(one: Described) -> str:
    most = {"": 0, "document": MAX_DOCUMENT, "file": MAX_FILE}[one.body]
    told = "" if most else "  # the document has no body here"
    return f"      - {{type: SizeLimit, maxRequestBytes: {most}}}{told}"

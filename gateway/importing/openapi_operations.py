"""The operations of a document, in the form in which they become routes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.importing.openapi_file import OpenApiFile
from gateway.importing.openapi_paths import Template, read_template
from gateway.importing.openapi_security import Access, read_access
from gateway.spec.openapi.paths import MAX_OPERATIONS, MAX_PATH, METHODS
from gateway.spec.openapi.servers import server_path
from gateway.spec.source import PathTuple

_LARGE: Final = re.compile(r"multipart/|application/octet-stream|application/zip|(image|audio|video)/", re.IGNORECASE)


@dataclass(frozen=True)
class Described:
    """One operation."""

    method: str
    path: str
    """The template with its base path, as clients write it."""
    template: Template
    name: str
    """Of its route."""
    summary: str
    deprecated: bool
    access: Access
    body: str
    """What it takes: "" for none, "document" or "file"."""
    line: int


def read_described(document: OpenApiFile) -> list[Described]:
    """Every operation, in the order of the document; what is wrong is reported there."""
    base, found = server_path(document.data), []
    names: set[str] = set()
    ids: dict[str, int] = {}
    same: dict[tuple[str, ...], str] = {}
    for path, item in document.data["paths"].items():
        place: PathTuple = ("paths", path)
        template = _template(document, base, path, same) if not path.startswith("x-") else None
        if template is None:
            continue
        methods = document.follow(item, place)
        for key in (one for one in methods if one in METHODS):  # a HEAD that is not documented is not routed
            operation = document.follow(methods[key], (*place, key))
            if "$ref" not in item:  # what is pointed to stands elsewhere, too, with the same id
                _unique(document, ids, operation, (*place, key))
            found.append(_described(document, path, key, operation, template, names))
    if len(found) > MAX_OPERATIONS:
        document.report(("paths",), f"more than {MAX_OPERATIONS} operations: split the document", key=True)
    elif not found:
        document.report(("paths",), "there is no operation in it: nothing could be routed", key=True)
    return found


def _template(document: OpenApiFile, base: str, path: str, same: dict[tuple[str, ...], str]) -> Template | None:
    place: PathTuple = ("paths", path)
    if not path.startswith("/") or len(path) > MAX_PATH:
        document.report(place, f'a path begins with "/" and has at most {MAX_PATH} characters', key=True)
        return None
    try:
        template = read_template(base + path)
    except ValueError as error:
        document.report(place, f'"{path}" is no path for a route: {error}', key=True)
        return None
    if template.segments in same:
        document.report(place, f'"{path}" and "{same[template.segments]}" are the same path', key=True)
    same[template.segments] = path
    return template


def _unique(document: OpenApiFile, ids: dict[str, int], operation: Mapping[str, Any], place: PathTuple) -> None:
    known = operation.get("operationId")
    if isinstance(known, str):
        if known in ids:
            document.report((*place, "operationId"), f'operationId "{known}" stands already on line {ids[known]}')
        ids.setdefault(known, document.line((*place, "operationId")))


def _described(
    document: OpenApiFile, path: str, key: str, operation: Mapping[str, Any], template: Template, names: set[str]
) -> Described:
    place: PathTuple = ("paths", path, key)
    name = unique_name(str(operation.get("operationId") or f"{key}{path}"), names)
    return Described(
        method=key.upper(),
        path=server_path(document.data) + path,
        template=template,
        name=name,
        summary=str(operation.get("summary") or ""),
        deprecated=operation.get("deprecated") is True,
        access=read_access(document, operation, place),
        body=_body(document, operation, place),
        line=document.line(place),
    )


def _body(document: OpenApiFile, operation: Mapping[str, Any], place: PathTuple) -> str:
    if "requestBody" not in operation:
        return ""
    content = document.follow(operation["requestBody"], (*place, "requestBody")).get("content")
    types = list(content) if isinstance(content, Mapping) else []
    return "file" if any(_LARGE.match(str(one)) or one == "*/*" for one in types) else "document"


def slug(text: str) -> str:
    """Lower-case words with hyphens: `listPets` → `list-pets`."""
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", text)
    words = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1-\2", words)
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:56].strip("-")


def unique_name(text: str, names: set[str]) -> str:
    """A name that is not among `names` yet, and is from now on."""
    base = slug(text) or "operation"
    name, number = base, 1
    while name in names:
        number += 1
        name = f"{base}-{number}"
    names.add(name)
    return name

"""An OpenAPI document from a file, and everything that makes it unusable, with its line.

The problem: documents are written by hand and by generators, point into each other, and can be large, endless or no
documents at all. The rule: the bounds and the reader are those of our own configurations; nothing is fetched; what is
pointed to must stand in the same file; whatever is wrong is told before anything is written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from gateway.spec.openapi.document import standing_at
from gateway.spec.reading import parse, plain, read_file
from gateway.spec.source import PathTuple, Source

VERSIONS: Final = ("3.0", "3.1")
MAX_STEPS: Final = 20
"""References that follow each other."""


class OpenApiFile:
    """A parsed document; `source` collects what is wrong with it."""

    def __init__(self, path: Path, data: Mapping[str, Any], source: Source, has_lines: bool) -> None:
        self.data = data
        self.name = source.base_name
        self.path = path
        self._source = source
        self._has_lines = has_lines

    def report(self, path: PathTuple, message: str, *, key: bool = False) -> None:
        """Note a mistake; JSON has no lines here, so there the place is told in words."""
        place = "" if self._has_lines or not path else f" (in {' → '.join(map(str, path))})"
        self._source.report(path, message + place, key=key)

    def stop_on_errors(self) -> None:
        """Raise what was reported so far.

        Raises:
            SpecErrors: when there is anything.
        """
        self._source.stop_on_errors()

    def line(self, path: PathTuple) -> int:
        """Where the key at the end of a path stands."""
        return self._source.place(path, key=True)[0]

    def follow(self, value: Any, path: PathTuple) -> Mapping[str, Any]:
        """The object that stands at `path`, or that it points to; empty, and reported, when there is none."""
        seen: set[str] = set()
        while isinstance(value, Mapping) and "$ref" in value:
            pointer = value["$ref"]
            if not isinstance(pointer, str) or not pointer.startswith("#"):
                self.report(
                    (*path, "$ref"), f"{pointer!r} is another document: put it into this one; nothing is fetched"
                )
                return {}
            if pointer in seen or len(seen) == MAX_STEPS:
                self.report((*path, "$ref"), f"{pointer!r} leads round in a circle")
                return {}
            seen.add(pointer)
            found = standing_at(self.data, pointer)
            if found is None:
                self.report((*path, "$ref"), f"{pointer!r} points at nothing")
                return {}
            value = found[1]
        if not isinstance(value, Mapping):
            self.report(path, "expected a mapping of keys to values")
            return {}
        return value


def read_openapi(file: Path) -> OpenApiFile:
    """The document in a file of YAML or JSON, at most 16 MiB.

    Raises:
        SpecErrors: it cannot be read, or is none of version 3.0 or 3.1.
    """
    text = read_file(file)
    is_json = text.lstrip().startswith("{")
    source = Source(text, str(file)) if is_json else parse(text, str(file), None)
    data = _json(text, source) if is_json else plain(source)
    source.stop_on_errors()
    if not isinstance(data, dict):
        source.report_at(1, 1, "is no OpenAPI document: it is no mapping of keys to values")
        source.stop_on_errors()
    document = OpenApiFile(file, data, source, has_lines=not is_json)
    _check_version(document)
    document.stop_on_errors()
    return document


def _json(text: str, source: Source) -> Any:
    def pairs(items: Iterable[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in items:
            if name in found:
                source.report_at(1, 1, f'duplicate key "{name}"')
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        source.report_at(error.lineno, error.colno, f"not valid JSON: {error.msg}")
    except RecursionError:
        source.report_at(1, 1, "nested too deeply")
    return None


def _check_version(document: OpenApiFile) -> None:
    data = document.data
    if "swagger" in data:
        document.report(("swagger",), "this is Swagger 2.0: convert it to OpenAPI 3 first (converter.swagger.io does)")
    elif "openapi" not in data:
        document.report((), "is no OpenAPI document: the key `openapi` is missing")
    elif not str(data["openapi"]).startswith(VERSIONS):
        document.report(("openapi",), f"version {data['openapi']} is unknown here; known are 3.0 and 3.1")
    elif not isinstance(data.get("paths"), Mapping) or not data["paths"]:
        document.report(("paths",), "there are no paths: nothing could be routed")

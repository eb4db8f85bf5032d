"""Which paths of a service a route can reach, through its rewrites.

The problem: a service describes its own paths, a route the client's, and URLRewrite stands between the two. The rule:
each match becomes what the service would see: one path, everything below a prefix, or a regular expression for
which the client's path is worked out backwards from the service's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.audit.openapi import Operation
from gateway.filters.paths import replaced_path
from gateway.http.messages import Request
from gateway.spec.filters import PathModifier, UrlRewrite
from gateway.spec.models import Match, Route
from gateway.spec.regular import compile_pattern

SAMPLES: Final = ("1", "a", "00000000-0000-0000-0000-000000000000", "A1")
"""What a path parameter may look like, for regular expressions to be tried with."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What one match reaches; `value` is a path, a prefix, or a regular expression on the client's path."""

    method: str | None
    kind: str
    value: str
    rewrite: PathModifier | None = None

    def meets(self, operation: Operation) -> bool:
        """Whether some request through this match is that operation."""
        if self.method not in (None, operation.method) and (self.method, operation.method) != ("HEAD", "GET"):
            return False  # HEAD follows from GET (RFC 9110 section 9.3.2)
        if self.kind == "RegularExpression":
            pattern = compile_pattern(self.value)
            return any(pattern.fullmatch(path) for path in _client_paths(operation.path, self.rewrite))
        wanted, offered = _segments(self.value), _segments(operation.path)
        if self.kind == "Exact" and len(wanted) != len(offered):
            return False
        return len(wanted) <= len(offered) and all(map(_agree, wanted, offered))


def reaches(route: Route) -> list[Reach]:
    """One for each match."""
    modifier = next((one.path for one in route.filters if isinstance(one, UrlRewrite) and one.path), None)
    return [_reach(match, modifier) for match in route.matches]


def _reach(match: Match, modifier: PathModifier | None) -> Reach:
    kind, value = match.path.type, match.path.value
    if modifier is not None and modifier.type == "ReplaceFullPath":
        return Reach(match.method, "Exact", modifier.value)
    if modifier is None or kind == "RegularExpression":
        return Reach(match.method, kind, value, modifier)
    return Reach(match.method, kind, _rewritten(value, match, modifier))


def upstream_path(route: Route, path: str) -> str:
    """What the service sees of a client's path."""
    for one in route.filters:
        if isinstance(one, UrlRewrite) and one.path is not None:
            fitting = [match for match in route.matches if match.path.type == "PathPrefix"]
            below = [match for match in fitting if f"{path}/".startswith(f"{match.path.value.rstrip('/')}/")]
            longest = max(below, key=lambda match: len(match.path.value), default=Match())
            return _rewritten(path, longest, one.path)
    return path


def _rewritten(path: str, match: Match, modifier: PathModifier) -> str:
    request = Request("GET", path, "", [], {}, "")
    request.matched = match.path.value.rstrip("/") if match.path.type == "PathPrefix" else ""
    return replaced_path(modifier, request)


def _client_paths(path: str, modifier: PathModifier | None) -> list[str]:
    """What clients may write for a path template of the service."""
    if modifier is not None and modifier.prefix is not None:
        base = modifier.value.rstrip("/")
        if not f"{path}/".startswith(f"{base}/"):
            return []
        path = modifier.prefix.rstrip("/") + path[len(base) :]
    return [re.sub(r"\{[^/{}]*\}", sample, path) for sample in SAMPLES]


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment]


def _agree(wanted: str, offered: str) -> bool:
    return wanted == offered or (offered.startswith("{") and offered.endswith("}"))

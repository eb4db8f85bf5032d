"""Matches: paths in the one form that requests have, expressions that compile, methods as clients write them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, Path
from gateway.spec.models import Match, PathMatch, Spec, ValueMatch
from gateway.spec.regular import compile_pattern

_PATH_CHARACTERS = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/-]*")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def check_matches(spec: Spec) -> Iterator[Finding]:
    """Every match of every route."""
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index, "matches")
        if not route.matches:
            yield Finding(path, "an empty list matches nothing; leave matches out to match every path")
        for place, match in enumerate(route.matches):
            yield from _check_match(match, (*path, place))


def _check_match(match: Match, path: Path) -> Iterator[Finding]:
    yield from _check_path(match.path, (*path, "path", "value"))
    method = match.method or ""
    if message := method_problem(method):
        yield Finding((*path, "method"), message, method.upper())
    yield from _check_values(match.headers, (*path, "headers"), fold=True)
    yield from _check_values(match.query_params, (*path, "queryParams"), fold=False)


def method_problem(method: str) -> str:
    """Why a method, as it is written, is never sent, or ""."""
    if method not in _METHODS and method.upper() in _METHODS:
        return f'method "{method}" would never match: methods are case-sensitive (RFC 9110 section 9.1)'
    return ""


def _check_path(path_match: PathMatch, path: Path) -> Iterator[Finding]:
    if path_match.type == "RegularExpression":
        yield from _check_pattern(path_match.value, path)
    elif problem := path_problem(path_match.value):
        yield Finding(path, f'"{path_match.value}" is not a canonical path: {problem}')


def path_problem(value: str) -> str:
    """Why no canonical request path can equal or begin with `value`, or ""."""
    if "%" in value:
        return "an escape has many spellings; for characters that need one use a RegularExpression"
    if _PATH_CHARACTERS.fullmatch(value) is None:
        return "requests percent-encode one of its characters, or it begins a query or fragment"
    if "//" in value:
        return 'requests with "//" are refused'
    if any(segment.partition(";")[0] in (".", "..") for segment in value.split("/")):
        return 'requests with "." or ".." segments are refused'
    return ""


def _check_values(values: tuple[ValueMatch, ...], path: Path, *, fold: bool) -> Iterator[Finding]:
    seen: set[str] = set()
    for index, value in enumerate(values):
        name = value.name.lower() if fold else value.name
        if name in seen:
            yield Finding((*path, index, "name"), f'"{value.name}" is asked for twice in one match')
        seen.add(name)
        if value.type == "RegularExpression":
            yield from _check_pattern(value.value, (*path, index, "value"))


def _check_pattern(pattern: str, path: Path) -> Iterator[Finding]:
    try:
        compile_pattern(pattern)
    except ValueError as error:
        yield Finding(path, str(error))

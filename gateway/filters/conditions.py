"""What a rule of an authorization policy asks of a request, compiled.

The problem: a rule is a list of optional conditions, and most rules have two of them. The rule: each condition that
the configuration names becomes one check, cheapest first and the CEL expression last; a rule is a loop over its
checks, and a check knows how to say what it wanted and what it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.filters.networks import membership
from gateway.http.messages import Request
from gateway.spec.authorization import Conditions
from gateway.spec.cel import Condition, Undecided, compile_condition
from gateway.spec.templates import Template, compile_template

Names = tuple[tuple[str, str], ...]
"""Of a certificate, as kind and name."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: its test, what it wants in words, and how to show what the request has instead."""

    test: Callable[[Request], bool]
    wants: str
    saw: Callable[[Request], object]


class CompiledConditions:
    """Conditions that all must hold."""

    __slots__ = ("_tests", "checks")

    def __init__(self, spec: Conditions, paths: tuple[str, ...] = ()) -> None:
        """`paths` name the path's parameters where `spec` has none of its own: those of the rule, for its `unless`."""
        self.checks = tuple(_checks(spec, spec.paths or paths))
        self._tests = tuple(check.test for check in self.checks)

    def hold(self, request: Request) -> bool:
        """Whether all hold.

        Raises:
            Undecided: the CEL expression, or a path parameter, has no value for this request.
        """
        for test in self._tests:  # noqa: SIM110  (`all` over a generator takes half as much time again)
            if not test(request):
                return False
        return True

    def missed(self, request: Request) -> str:
        """The first condition that does not hold, with what was seen instead; "" when all hold."""
        for check in self.checks:
            try:
                if check.test(request):
                    continue
                saw = check.saw(request)
            except Undecided as undecided:
                saw = f"undecided: {undecided}"
            return f"wants {check.wants}, saw {saw}"
        return ""


def _checks(spec: Conditions, paths: tuple[str, ...]) -> Iterator[Check]:
    if spec.methods:
        methods = frozenset(spec.methods)
        yield Check(lambda request: request.method in methods, _wanted("method", spec.methods), lambda r: r.method)
    if spec.addresses:
        within = membership(spec.addresses)
        yield Check(lambda request: within(request.client), _wanted("address", spec.addresses), lambda r: r.client)
    if spec.principals:
        yield _principals(spec.principals)
    if spec.scopes:
        scopes = frozenset(spec.scopes)
        yield Check(lambda r: scopes.issubset(scopes_of(r)), f"scopes {' '.join(spec.scopes)}", scopes_of)
    for name, values in spec.claims.items():
        yield _claim(name, values)
    templates = tuple(map(compile_template, paths))
    if spec.paths:
        wants = _wanted("path", spec.paths)
        yield Check(lambda request: parameters(templates, request) is not None, wants, lambda request: request.path)
    if spec.when is not None:
        yield _when(compile_condition(spec.when), templates)


def _wanted(what: str, values: tuple[str, ...]) -> str:
    return f"{what} {values[0]}" if len(values) == 1 else f"{what} one of {', '.join(values)}"


def _claim(name: str, values: tuple[str, ...]) -> Check:
    allowed = frozenset(values)

    def test(request: Request) -> bool:
        return not allowed.isdisjoint(claim_values(request, name))

    return Check(test, _wanted(f"claim {name}", values), lambda request: claim_values(request, name) or "none")


def claim_values(request: Request, name: str) -> list[str]:
    """What a verified token says under a name: the items of a list, or the one value, as text."""
    claim = (request.claims or {}).get(name)
    if isinstance(claim, list):
        return [str(value) for value in claim]
    return [] if claim is None else [str(claim)]


def scopes_of(request: Request) -> list[str]:
    """The scopes of a verified token (RFC 8693 section 4.2: one text, separated by spaces)."""
    scope = (request.claims or {}).get("scope")
    return scope.split() if isinstance(scope, str) else []


def _principals(wanted: tuple[str, ...]) -> Check:
    exact = frozenset(one for one in wanted if not one.endswith("*"))
    prefixes = tuple(one[:-1] for one in wanted if one.endswith("*"))

    @lru_cache(maxsize=256)  # one client's certificate is looked at with each of its requests
    def match(names: Names) -> bool:
        return any(name in exact or name.startswith(prefixes) for name in _principals_in(names))

    def test(request: Request) -> bool:
        certificate = request.client_certificate
        return certificate is not None and match(certificate.names)

    return Check(test, _wanted("principal", wanted), lambda request: principals_of(request) or "no certificate")


def principals_of(request: Request) -> list[str]:
    """The names that a client's verified certificate gives it: URIs (with their scheme) and DNS names (without)."""
    certificate = request.client_certificate
    return [] if certificate is None else _principals_in(certificate.names)


def _principals_in(names: Names) -> list[str]:
    return [name for kind, name in names if (kind, "://" in name) in (("URI", True), ("DNS", False))]


def parameters(templates: tuple[Template, ...], request: Request) -> Mapping[str, str] | None:
    """The parameters of the first template that the request's path matches; None when none does.

    Raises:
        Undecided: a parameter that is no UTF-8.
    """
    try:
        for template in templates:
            found = template.match(request.path)
            if found is not None:
                return found
    except UnicodeDecodeError:
        raise Undecided("a path parameter is no UTF-8") from None
    return None


def _when(condition: Condition, templates: tuple[Template, ...]) -> Check:
    names = condition.names

    def variables(request: Request) -> dict[str, Any]:
        known: dict[str, Any] = {}
        if "claims" in names:
            known["claims"] = request.claims or {}
        if "path" in names:
            known["path"] = parameters(templates, request) or {}
        if "principals" in names:
            known["principals"] = principals_of(request)
        if "request" in names:
            known["request"] = _request(request, condition.reads_headers)
        return known

    return Check(
        lambda request: condition.holds(variables(request)),
        f"when {condition.text}",
        lambda request: "false",
    )


def _request(request: Request, with_headers: bool) -> dict[str, Any]:
    known: dict[str, Any] = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "host": request.host,
        "scheme": request.scheme,
        "address": request.client,
    }
    if with_headers:  # repeated ones joined as RFC 9110 section 5.3 has it: none can hide behind another
        joined: dict[str, str] = {}
        for name, value in request.headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            joined[key] = f"{joined[key]}, {text}" if key in joined else text
        known["headers"] = joined
    return known

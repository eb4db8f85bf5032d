"""Authorization policies: rules that say something, templates and expressions that compile, parameters that exist."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.spec.authorization import AuthorizationPolicy, Conditions, IpAccess, Rule
from gateway.spec.cel import Condition, compile_condition
from gateway.spec.checks.finding import Finding, Path, duplicates
from gateway.spec.checks.matches import method_problem, path_problem
from gateway.spec.templates import compile_template


def check_policy(policy: AuthorizationPolicy, path: Path) -> Iterator[Finding]:
    """Everything about one policy."""
    if not policy.deny and not policy.allow:
        yield Finding(path, "has neither deny nor allow rules, so it would let everything pass")
    for kind, rules in (("deny", policy.deny), ("allow", policy.allow)):
        yield from duplicates((rule.name for rule in rules), (*path, kind), f"{kind} rule")
        for index, rule in enumerate(rules):
            yield from _check_rule(rule, (*path, kind, index))


def check_ip_access(item: IpAccess, path: Path) -> Iterator[Finding]:
    """One IpAccess filter."""
    if not item.deny and not item.allow:
        yield Finding(path, "names no network, so it would let everybody pass")


def reads_claims(policy: AuthorizationPolicy) -> bool:
    """Whether a rule speaks of claims, which only a verified token has."""
    return any(_reads(part) for rule in (*policy.deny, *policy.allow) for part in (rule, rule.unless) if part)


def _reads(part: Conditions) -> bool:
    condition = _compiled(part.when)
    return bool(part.scopes or part.claims or (condition and "claims" in condition.names))


def _compiled(when: str | None) -> Condition | None:
    try:
        return compile_condition(when) if when is not None else None
    except ValueError:
        return None  # told where it stands


def _check_rule(rule: Rule, path: Path) -> Iterator[Finding]:
    if rule.empty:
        yield Finding(path, f'rule "{rule.name}" has no condition, so it would apply to every request')
    yield from _check_conditions(rule, rule.paths, path)
    if rule.unless is not None:
        if rule.unless.empty:
            yield Finding((*path, "unless"), "has no condition, so the rule would never apply")
        yield from _check_conditions(rule.unless, rule.unless.paths or rule.paths, (*path, "unless"))


def _check_conditions(part: Conditions, paths: tuple[str, ...], path: Path) -> Iterator[Finding]:
    for index, method in enumerate(part.methods):
        if message := method_problem(method):
            yield Finding((*path, "methods", index), message, method.upper())
    for index, text in enumerate(part.paths):
        if problem := _template_problem(text):
            yield Finding((*path, "paths", index), problem)
    if part.when is not None:
        yield from _check_expression(part.when, paths, (*path, "when"))


def _template_problem(text: str) -> str:
    try:
        compile_template(text)
    except ValueError as error:
        return str(error)
    literal = "/".join("x" if segment.startswith("{") else segment for segment in text.split("/"))
    problem = path_problem(literal)
    return f'"{text}" would never match: {problem}' if problem else ""


def _check_expression(text: str, paths: tuple[str, ...], path: Path) -> Iterator[Finding]:
    try:
        condition = compile_condition(text)
    except ValueError as error:
        yield Finding(path, str(error))
        return
    for name in sorted(condition.parameters):
        lacking = [one for one in paths if f"{{{name}}}" not in one.split("/")]
        if not paths or lacking:
            named = f"{lacking[0]} has no {{{name}}}" if lacking else "the rule has no paths"
            yield Finding(path, f"path.{name} stands for a part of the path that nothing names: {named}")

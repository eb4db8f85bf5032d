"""All checks run, their findings in order, and what the configuration accepts.

The problem: a finding that is right in general and wanted here hides the next one that is not. The rule: whoever
wants it says so beside it, `auditAccept: {check-id: reason}` on the route, listener, cluster or provider, or at the
top for the whole file; it is then listed as accepted, with the reason, and an acceptance of nothing is told as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.audit.checks import CHECKS, stale_acceptance
from gateway.audit.inventory import Entry, inventory
from gateway.audit.lines import Lines
from gateway.audit.model import SEVERITIES, Finding, Found, Path, Severity, System
from gateway.spec.models import Spec

OWNERS: Final = ("routes", "listeners", "clusters", "providers")
"""The lists of the file whose items may accept findings."""


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found."""

    inventory: list[Entry]
    findings: list[Finding]
    """Gravest first; those accepted stand among them."""

    def open(self) -> list[Finding]:
        """Those that nobody has accepted."""
        return [one for one in self.findings if not one.accepted]

    def reaches(self, severity: Severity) -> bool:
        """Whether an open finding is at least so grave."""
        worst = SEVERITIES.index(severity)
        return any(SEVERITIES.index(one.severity) <= worst for one in self.open())


def audit(system: System, lines: Lines) -> Report:
    """Look at everything."""
    accepted = acceptances(system.spec)
    used: set[tuple[Path, str]] = set()
    findings = []
    for check in CHECKS:
        for found in check.find(system):
            place = next((one for one in (found.path[:2], ()) if check.id in accepted.get(one, {})), None)
            if place is not None:
                used.add((place, check.id))
            reason = "" if place is None else accepted[place][check.id]
            findings.append(_finding(check.id, found.severity or check.severity, found, lines, reason))
    stale = stale_acceptance.CHECK
    findings += [_finding(stale.id, stale.severity, one, lines, "") for one in _unneeded(system, accepted, used)]
    return Report(inventory(system), sorted(findings, key=_order))


def acceptances(spec: Spec) -> dict[Path, Mapping[str, str]]:
    """Check id → reason, by the place that accepts."""
    found: dict[Path, Mapping[str, str]] = {(): spec.audit_accept}
    for name in OWNERS:
        found |= {(name, index): one.audit_accept for index, one in enumerate(getattr(spec, name))}
    return found


def _unneeded(
    system: System, accepted: Mapping[Path, Mapping[str, str]], used: set[tuple[Path, str]]
) -> Iterator[Found]:
    """Acceptances that excused nothing; of checks that need a running system only where there is one."""
    running = system.running is not None
    judged = {check.id for check in CHECKS if not check.comes_and_goes and (running or not check.needs_running)}
    known = {check.id for check in CHECKS}
    for place, reasons in accepted.items():
        for check in reasons:
            path = (*place, "auditAccept", check)
            if check not in known:
                yield Found(path, _subject(system.spec, place), f"there is no check {check}")
            elif check in judged and (place, check) not in used:
                yield Found(path, _subject(system.spec, place), f"{check} finds nothing here")


def _subject(spec: Spec, place: Path) -> str:
    """`route orders-write`, or the file itself."""
    if not place:
        return "the file"
    return f"{str(place[0]).removesuffix('s')} {getattr(spec, str(place[0]))[place[1]].name}"


def _finding(check: str, severity: Severity, found: Found, lines: Lines, accepted: str) -> Finding:
    return Finding(check, severity, found.subject, found.detail, lines.where(found.path), accepted)


def _order(one: Finding) -> tuple[int, int]:
    return SEVERITIES.index(one.severity), [check.id for check in CHECKS].index(one.check)

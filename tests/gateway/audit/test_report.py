"""Findings in order, with their lines; what is accepted, and what is accepted in vain; the shop has nothing open."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.checks import CHECKS
from gateway.audit.inventory import inventory
from gateway.audit.lines import Lines
from gateway.audit.model import SEVERITIES, Running, System
from gateway.audit.report import Report, audit
from gateway.compile.load import load_text
from gateway.compile.table import answering_types, authenticating_types

ROOT = Path(__file__).parents[3]
TEXT = """\
listeners:
  - name: public
    address: 0.0.0.0
    port: 8088
    auditAccept: {plain-listener: a balancer on this host ends TLS}
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
routes:
  - name: login
    matches: [{method: POST}]
    public: true
    owner: us
    auditAccept:
      public-write: the password is the proof
      any-token: not so
      wide-cross: misspelled
      not-in-openapi: only a running system could tell
    backendRefs: [{cluster: shop}]
auditAccept: {no-version: there is one version only}
"""


def report_of(text: str, running: Running | None = None, file: str | None = None) -> Report:
    spec = load_text(text, "mine.yaml", {}, ROOT / "config")  # where files that it names would be
    system = System(spec, authenticating_types(), answering_types(), running)
    return audit(system, Lines(spec, text if file is None else file, "mine.yaml"))


def test_findings_are_sorted_and_stand_on_their_lines() -> None:
    report = report_of(TEXT)
    assert [(one.severity, one.check, one.where, bool(one.accepted)) for one in report.findings] == [
        ("high", "public-write", "mine.yaml:10", True),
        ("high", "no-limit", "mine.yaml:8", False),
        ("high", "plain-listener", "mine.yaml:3", True),
        ("info", "no-version", "mine.yaml:8", True),
        ("info", "stale-acceptance", "mine.yaml:14", False),
        ("info", "stale-acceptance", "mine.yaml:15", False),
    ]
    assert [one.detail for one in report.findings[-2:]] == [
        "any-token finds nothing here",
        "there is no check wide-cross",
    ]
    assert [one.check for one in report.open()] == ["no-limit", "stale-acceptance", "stale-acceptance"]
    by_traffic = report_of(TEXT.replace("any-token", "undocumented-traffic"), Running())  # its absence proves nothing
    assert "mine.yaml:14" not in [one.where for one in by_traffic.findings]
    running = report_of(TEXT, Running()).findings[-1]
    assert (running.where, running.detail) == ("mine.yaml:16", "not-in-openapi finds nothing here")


def test_accepted_findings_do_not_count() -> None:
    limited = TEXT.replace("    backendRefs", "    filters: [{type: RateLimit, requests: 5}]\n    backendRefs")
    report = report_of(limited)
    assert [report.reaches(severity) for severity in SEVERITIES] == [False, False, False, True]
    assert [report_of(TEXT).reaches(severity) for severity in SEVERITIES] == [True] * 4


@pytest.mark.parametrize("changed", [f"# another line\n{TEXT}", "{", "", "a: ["])
def test_lines_of_a_file_that_has_changed_are_not_believed(changed: str) -> None:
    spec = load_text(TEXT, "mine.yaml", {})
    lines = Lines(spec, changed, "mine.yaml")
    assert not lines.exact
    assert lines.where(("routes", 0, "public")) == "mine.yaml:8"
    assert lines.where(("listeners", 0, "address")) == "mine.yaml"
    assert lines.where(()) == ""
    assert Lines(spec, TEXT, "mine.yaml").exact


def test_the_inventory_says_who_may_call_and_how_often(system: Any) -> None:
    text = """
      - name: orders
        matches: [{path: {value: /orders}, method: GET}]
        filters:
          - {type: JWT, provider: id}
          - {type: Authorize, scopes: [read], claims: {group: [staff, admin]}}
          - {type: RateLimit, requests: 600, per: 1m, key: {type: Claim, name: sub}}
          - {type: RateLimit, name: trial, requests: 3, per: 10s, enforced: false}
        backendRefs: [{cluster: shop}]
        owner: us
      - {name: page, public: true, hostnames: [a.test], backendRefs: [{cluster: shop}], lifecycle: experimental}
    """
    orders, page = inventory(system(text))
    assert orders.callers == "JWT of id and read and group in staff/admin"
    assert orders.limits == ("600/1m by claim sub", "3/10s by address (shadow)")
    assert (orders.owner, orders.matches, orders.clusters, orders.listeners) == (
        "us", ("GET /orders*",), ("shop",), ("public",),
    )  # fmt: skip
    assert (page.callers, page.limits, page.lifecycle, page.latest_requests) == ("everybody", (), "experimental", None)


def test_the_shop_has_no_open_finding() -> None:
    text = (ROOT / "config" / "shop.yaml").read_text()
    report = report_of(text)
    assert report.open() == []
    assert len([one for one in report.findings if one.accepted]) == 9
    assert all(entry.owner and entry.version and entry.limits for entry in report.inventory)


PAGE = (ROOT / "docs" / "audit.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([a-z-]+)`( \*)? \| (\w+) \| (\S+) \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)


def test_the_page_lists_every_check_as_it_is() -> None:
    documented = {name: (bool(star), *rest) for name, star, *rest in ROWS}
    assert len(ROWS) == len(documented)
    assert documented == {
        check.id: (
            check.needs_running, check.severity, check.owasp or "–", f"{check.title}. {check.why}", check.fix,
        )
        for check in CHECKS
    }  # fmt: skip

"""The command: a file alone, or what runs with its traffic and its services' documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import observed
from gateway.compile.load import load_text

TEXT = """\
listeners: [{{name: public, port: 8088}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - name: everything
    public: true
    matches: [{{path: {{value: /}}, method: GET}}]
    filters: [{{type: RateLimit, requests: 5}}]
    backendRefs: [{{cluster: shop}}]
    owner: us\x1b[2J
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.format(address="127.0.0.1:9").replace("\x1b", ""))
    return path


def test_a_file_alone(installation: Any, file: Path) -> None:
    (installation.state_dir / "instance.json").unlink()  # nothing needs to run
    result = installation.run("audit", str(file))
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.output.splitlines()]
    assert lines[0] == f"Audit of {file}"
    row = "everything  us[2J  no version  active     everybody     5/1m by address  GET /*   mine.yaml:4"
    assert row in lines
    assert lines[lines.index("INFO  A route has no version") :][3] == "    mine.yaml:4 route everything: has no version"
    assert "1 route; findings: 1 info; 0 accepted." in lines
    assert lines[-1] == "Note: only the file was looked at: no traffic, no OpenAPI documents"


def test_a_narrow_terminal_gets_paragraphs(installation: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    file.write_text(
        file.read_text().replace("public: true", "public: true\n    auditAccept: {no-version: the only one}")
    )
    lines = installation.run("audit", str(file)).output.splitlines()
    assert all(len(line) <= 80 for line in lines[1:])
    assert "everything  us[2J, no version, active, mine.yaml:4" in lines
    assert "  GET /*: everybody; limits: 5/1m by address" in lines
    assert "  mine.yaml:4 route everything: no-version (info): the only one" in lines


def test_the_exit_code_is_for_machines(installation: Any, file: Path) -> None:
    assert installation.run("audit", str(file), "--fail-on", "low").exit_code == 0
    assert installation.run("audit", str(file), "--fail-on", "info").exit_code == 1
    found = json.loads(installation.run("audit", str(file), "--json").output)
    assert [one["check"] for one in found["findings"]] == ["no-version"]
    assert found["inventory"][0]["callers"] == "everybody"
    assert "everything" not in installation.run("audit", str(file), "--no-inventory").output.splitlines()[2]


def test_a_wrong_file_is_told_as_check_tells_it(installation: Any, file: Path) -> None:
    file.write_text("routes: 5")
    result = installation.run("audit", str(file))
    assert (result.exit_code, "problem" in result.output) == (2, True)


def test_nothing_to_audit(installation: Any) -> None:
    (installation.state_dir / "instance.json").unlink()
    assert installation.run("audit").exit_code == 1


DOCUMENT = {"openapi": "3.1.0", "paths": {"/orders": {"get": {}}, "/orders/{id}/cancel": {"post": {}}}}


def running(installation: Any, file: Path, **config: Any) -> None:
    """An instance whose only cluster is the test's own server, and whose admin API is the same."""
    address = installation.url.removeprefix("http://")
    text = TEXT.format(address=address).replace("\x1b", "")
    file.write_text(text)
    spec = load_text(text, "mine.yaml", {}).model_dump(mode="json", by_alias=True)
    answer = {"spec": spec, "file": str(file), "version": 3, "history": []} | config
    installation.reply("GET", "/config", answer)
    cluster = {"name": "shop", "endpoints": [{"address": address}]}
    installation.reply("GET", "/clusters", {"clusters": [cluster]})
    said = [{"name": "shop", "isolation": "not enforced on this host: why"}, {"name": "control", "isolation": "none"}]
    installation.reply("GET", "/services", {"processes": said})
    record = {"route": "everything", "method": "GET", "upstream_cluster": "shop", "decided_by": "shop", "status": 200}
    denied = {"route": "", "method": "GET", "path": "/x\x1b[2J", "decided_by": "gateway", "status": 404}
    requests = [record | {"path": "/orders"}, record | {"path": "/secret"}, denied]
    installation.reply("GET", "/requests", {"requests": requests})
    installation.reply("GET", "/explanations", {"explanations": [{"token_seconds": 7_200.0}, {}]})
    installation.reply("GET", "/openapi.json", DOCUMENT)


def test_what_runs_is_looked_at_with_its_traffic(installation: Any, file: Path) -> None:
    running(installation, file)
    result = installation.run("audit", "--no-inventory")
    lines = [line.strip() for line in result.output.splitlines()]
    assert lines[0] == f"Audit of {file}, version 3, as it runs"
    for expected in (
        "mine.yaml:4 route everything: GET /secret (1)",
        "mine.yaml:2 cluster shop: POST /orders/{id}/cancel is described and not routed",
        r"requests without a route: 1 of the latest: GET /x\x1b[2J (1)",
        "tokens: a token was seen that had been issued for 2.0 hours",
        "Note: traffic: the latest 3 requests; tokens: the latest 1 verified",
    ):
        assert expected in lines, result.output
    asked = [one.target for one in installation.received if not one.target.startswith(("/c", "/r", "/ex", "/services"))]
    assert asked == ["/openapi.json"]


@pytest.mark.parametrize(
    "body", [b"no JSON", b"[]", b'{"openapi": "3.1.0", "paths": {"/a": {"get": {}}}}' + b" " * 2**21]
)
def test_a_document_that_is_none_or_too_large_is_noted(installation: Any, file: Path, body: bytes) -> None:
    running(installation, file)
    installation.reply("GET", "/openapi.json", body)
    result = installation.run("audit")
    assert "Note: no OpenAPI document read from shop" in result.output
    assert "undocumented-traffic" not in result.output


def test_only_loopback_is_asked_for_documents(installation: Any, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(address: str, *_: Any, **__: Any) -> None:
        raise AssertionError(f"{address} was asked")

    running(installation, file)
    endpoints = [{"address": "192.0.2.1:80"}, {"address": "shop.test:80"}, {"address": "127.0.0.1.evil.test:80"}]
    installation.reply("GET", "/clusters", {"clusters": [{"name": "shop", "endpoints": endpoints}]})
    monkeypatch.setattr(observed, "send", never)
    result = installation.run("audit")
    assert "no OpenAPI document read from shop" in result.output
    assert "plain HTTP to 192.0.2.1:80, shop.test:80, 127.0.0.1.evil.test:80" in result.output


def test_a_service_that_is_gone_does_not_stop_the_audit(installation: Any, file: Path) -> None:
    running(installation, file)
    installation.reply("GET", "/clusters", {"clusters": [{"name": "shop", "endpoints": [{"address": "127.0.0.1:9"}]}]})
    assert "no OpenAPI document read from shop" in installation.run("audit").output


def test_a_process_that_is_not_confined_is_told(installation: Any, file: Path) -> None:
    running(installation, file)
    said = installation.run("audit").output
    assert "process shop: not enforced on this host: why" in said
    assert "process control" not in said


def test_a_file_that_has_changed_or_was_refused_is_told(installation: Any, file: Path) -> None:
    refused = {"result": "rejected", "time": "noon", "errors": ["mine.yaml:1:1: bad\n  x"]}
    running(installation, file, history=[refused])
    file.write_text("# changed\n" + file.read_text())
    output = installation.run("audit").output
    assert "the running configuration: rejected at noon: mine.yaml:1:1: bad" in output
    assert "the file has changed since it was loaded" in output

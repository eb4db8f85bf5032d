"""Each installation's own keys, in the file that the gateway and `gatehouse key` read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.manifest import ApiKeyEntry
from gateway.control.supervisor.partner_keys import draw_key, keep_keys
from gateway.spec.api_keys import KEY, NOBODY, KeyFile, digest, read_keys

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ENTRIES = (ApiKeyEntry("partner", "silver", ("catalogue:read",)),)


def test_the_gateway_reads_what_the_supervisor_writes(tmp_path: Path) -> None:
    path, key = tmp_path / "keys.json", draw_key()
    assert KEY.fullmatch(key.encode())
    keep_keys(path, ENTRIES, {"partner": key}, NOW)
    (stored,) = read_keys(path).keys
    assert (stored.owner, stored.plan, stored.scopes) == ("partner", "silver", ("catalogue:read",))
    assert stored.sha256 == digest(key.encode())
    assert stored.valid(NOW)
    assert key not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_what_people_changed_stays(tmp_path: Path) -> None:
    path, key = tmp_path / "keys.json", draw_key()
    keep_keys(path, ENTRIES, {"partner": key}, NOW)
    document = json.loads(path.read_text())
    document["keys"][0]["revoked"] = NOW.isoformat()
    document["keys"].append({**document["keys"][0], "id": "0" * 12, "owner": "acme", "revoked": None})
    path.write_text(json.dumps(document))
    keep_keys(path, ENTRIES, {"partner": key}, NOW)
    assert [(one.owner, one.valid(NOW)) for one in read_keys(path).keys] == [("partner", False), ("acme", True)]
    keep_keys(path, ENTRIES, {"partner": draw_key()}, NOW)
    assert [one.owner for one in read_keys(path).keys] == ["partner", "acme", "partner"]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_text("{")
    with pytest.raises(CannotStart, match=r"keys\.json is damaged"):
        keep_keys(path, ENTRIES, {"partner": draw_key()}, NOW)


def test_nobody_has_a_key_in_the_file_that_is_none() -> None:
    assert read_keys(NOBODY) == KeyFile()

"""Where peers are: as settled, or as the file says right now."""

from __future__ import annotations

import json
from pathlib import Path

from sample_services.kit.peers import Peers


def write(path: Path, addresses: dict[str, list[str]]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(addresses))
    new.replace(path)


def test_without_a_file_each_peer_is_where_it_was_said_to_be(tmp_path: Path) -> None:
    for peers in (Peers({"orders": "http://a"}, None), Peers({"orders": "http://a"}, tmp_path / "absent")):
        assert peers.of("orders") == ["http://a"]
        assert peers.of("nobody") == []


def test_copies_take_turns_and_changes_are_seen_at_the_next_call(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    peers = Peers({"orders": "http://a"}, file)
    write(file, {"orders": ["http://a", "http://b"]})
    assert {peers.of("orders")[0] for _ in range(2)} == {"http://a", "http://b"}
    assert sorted(peers.of("orders")) == ["http://a", "http://b"]
    write(file, {"orders": ["http://b"]})
    assert peers.of("orders") == ["http://b"]
    file.write_text("{")  # never written by us: what was known holds on
    assert peers.of("orders") == ["http://b"]


def test_of_whom_the_file_says_nothing_the_settings_hold(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    file.write_text(json.dumps({"identity": ["http://a"]}))
    peers = Peers({"identity": "http://old", "orders": "http://orders.memory"}, file)
    assert peers.of("identity") == ["http://a"]
    assert peers.of("orders") == ["http://orders.memory"]

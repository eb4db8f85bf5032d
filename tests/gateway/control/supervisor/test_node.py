"""Services in JavaScript, where there is Node.js and where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.control.supervisor.manifest import Manifest, parse_manifest
from gateway.control.supervisor.node import NEEDED, node_version, program_of, without_node
from gateway.control.supervisor.options import Options

SHOP = parse_manifest(
    {"services": [{"name": "orders", "module": "shop.orders"}, {"name": "shipping", "node": "shipping/main.mjs"}]}
)


@pytest.mark.parametrize(("found", "said"), [(None, "none on the PATH"), (NEEDED - 1, f"this one is {NEEDED - 1}")])
def test_without_a_usable_node_its_services_stay_down_and_are_named(found: int | None, said: str) -> None:
    manifest, (note,) = without_node(SHOP, lambda: found)
    assert [(one.name, one.autostart) for one in manifest.services] == [("orders", True), ("shipping", False)]
    assert note.startswith("shipping needs Node.js")
    assert said in note


def test_with_node_everything_runs() -> None:
    assert without_node(SHOP, lambda: NEEDED) == (SHOP, ())


def test_who_needs_no_node_is_not_asked_about_it() -> None:
    def unasked() -> int | None:
        raise AssertionError("asked")

    assert without_node(Manifest(SHOP.services[:1]), unasked)[1] == ()


def test_what_is_on_the_path(tmp_path: Path) -> None:
    program = tmp_path / "node"
    for text, version in (("echo v22.3.0", 22), ("echo nothing", None), ("exit 1", None)):
        program.write_text(f"#!/bin/sh\n{text}\n")
        program.chmod(0o700)
        assert node_version(lambda _: str(program)) == version
    assert node_version(lambda _: None) is None


def test_the_command_names_the_file_beside_the_manifest() -> None:
    *_, script = program_of(SHOP.services[1], Options(state_dir="/s", manifest="/shop/manifest.yaml"))
    assert script == "/shop/shipping/main.mjs"

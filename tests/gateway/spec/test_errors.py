"""How mistakes are printed."""

from __future__ import annotations

from gateway.spec.errors import SpecError, SpecErrors, nearest


def test_an_error_reads_like_a_good_compilers() -> None:
    error = SpecError("shop.yaml", 41, 7, "routes[3]", 'unknown key "hostname"', "      hostname: x", "hostnames")
    assert str(error) == (
        'shop.yaml:41:7: unknown key "hostname" (did you mean "hostnames"?)\n          hostname: x\n          ^'
    )


def test_errors_stand_in_the_order_of_the_file() -> None:
    errors = SpecErrors([SpecError("f", 3, 1, "", "c"), SpecError("f", 1, 9, "", "b"), SpecError("f", 1, 2, "", "a")])
    assert str(errors).splitlines() == ["f:1:2: a", "f:1:9: b", "f:3:1: c"]


def test_control_characters_are_shown_not_obeyed() -> None:
    error = SpecError("f", 1, 5, "", "bad \x1b[2J", "a\tb\x1b[2J")
    assert str(error) == "f:1:5: bad \\x1b[2J\n    a b\N{REPLACEMENT CHARACTER}[2J\n        ^"


def test_the_caret_stays_below_its_column_in_long_lines() -> None:
    line = "x" * 500 + "HERE" + "y" * 500
    _, text, caret = str(SpecError("f", 1, 501, "", "m", line)).splitlines()
    assert text[caret.index("^") :].startswith("HERE")
    assert len(text) < 130


def test_nearest() -> None:
    assert nearest("hostname", ("name", "hostnames")) == "hostnames"
    assert nearest("BACKEND_REFS", ("backendRefs",)) == "backendRefs"
    assert nearest("zzz", ("name", "hostnames")) is None
    assert nearest("x", ()) is None

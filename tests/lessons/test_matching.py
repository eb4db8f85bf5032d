"""What counts as printed as shown, and what is said when it is not."""

from __future__ import annotations

import pytest

from scenarios.lessons.matching import drift

PRINTED = """\
HTTP 403 Forbidden  in 4 ms
content-type: application/problem+json

{
  "reason": "not_owner"
}
"""


@pytest.mark.parametrize(
    "shown",
    [
        PRINTED.splitlines(),
        ["HTTP 403 Forbidden in … ms", "…"],
        ["…", '"reason": "not_owner"', "…"],
        ["HTTP 403 Forbidden  in … ms", "…", "{", '"reason": "…"', "}"],
        ["…"],
    ],
)
def test_as_shown(shown: list[str]) -> None:
    assert drift(shown, PRINTED) == ""


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (["HTTP 200 OK in … ms", "…"], "is not printed, or not there: HTTP 200 OK in … ms"),
        (["…", '"reason": "not_owned"', "…"], 'is not printed, or not there: "reason": "not_owned"'),
        (["…", '"reason": "not_owner"', "HTTP …", "…"], "is not printed, or not there: HTTP …"),
        (["HTTP 403 Forbidden in 4 ms"], "is printed, and not shown: content-type: application/problem+json"),
        ([], "is printed, and not shown: HTTP 403 Forbidden in 4 ms"),
    ],
    ids=["another line", "one word", "another order", "more", "nothing shown"],
)
def test_drift(shown: list[str], said: str) -> None:
    assert drift(shown, PRINTED) == said


def test_what_varies_may_be_nothing() -> None:
    assert drift(["orders … orders db.read …"], "orders    orders db.read  3 ms") == ""
    assert drift(["orders … orders db.read …"], "orders  db.read  3 ms") != ""


def test_what_looks_like_a_pattern_is_text() -> None:
    assert drift(["a.c (…)"], "abc (1)") != ""
    assert drift(["a.c (…)"], "a.c (1)") == ""

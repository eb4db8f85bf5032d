from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.mesh.isolation.landlock import LACKS, lacks
from gateway.mesh.isolation.rules import Rules

paths = st.lists(st.text(min_size=1)).map(tuple)
ports = st.none() | st.lists(st.integers(0, 65_535)).map(tuple)


@settings(deadline=None)
@given(st.builds(Rules, paths, paths, paths, paths, ports, ports, st.booleans(), st.text()))
def test_rules_arrive_as_they_were_meant(rules: Rules) -> None:
    assert Rules.parse(rules.dump()) == rules


@pytest.mark.parametrize("document", [b"", b"[]", b'{"reads": []}', b"null", json.dumps({"read": [], "x": 1}).encode()])
def test_other_rules_than_were_meant_are_no_rules(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Rules.parse(document)


def test_nothing_is_allowed_that_is_not_said() -> None:
    nothing = Rules()
    assert nothing.read + nothing.listed + nothing.write + nothing.run == ()
    assert (nothing.bind, nothing.connect) == ((), ())  # and not None, which is "any"


def test_older_kernels_leave_more_open() -> None:
    assert lacks(7) == lacks(6) == []
    assert lacks(5) == ["signals to any process of this user"]
    assert lacks(1) == [what for _, what in LACKS]

"""The same raw requests to the gateway and to Envoy, HAProxy and nginx: every difference is explained or a defect.

Compared are: accepted or refused; the class of the status; and, when both accept, exactly what the upstream saw.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.differential.explained import EXPLAINED
from tests.differential.here import gateway_here, read_until_quiet, upstream_here
from tests.differential.peers import CONFIGS, find, peer_here
from tests.differential.recorder import Recorder
from tests.differential.table import CASES, Case, Seen

QUIET = 0.25
"""Seconds after which a peer that neither answers nor closes is taken to wait for more."""


@dataclass(frozen=True)
class Outcome:
    """What one proxy made of one case."""

    statuses: tuple[int, ...]
    seen: tuple[Seen, ...]

    @property
    def accepted(self) -> bool:
        """Whether every request of the case went through."""
        return bool(self.statuses) and all(status == 200 for status in self.statuses)


def difference(ours: Outcome, theirs: Outcome) -> str:
    """In one word; empty when there is none."""
    if ours.accepted != theirs.accepted:
        return "stricter" if theirs.accepted else "laxer"
    if not ours.accepted:
        mine, other = ours.statuses[-1:], theirs.statuses[-1:]
        return "status" if [code // 100 for code in mine] != [code // 100 for code in other] else ""
    return "sees" if ours.seen != theirs.seen else ""


async def ask(port: int, recorder: Recorder, case: Case) -> Outcome:
    recorder.take()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(case.raw)
    answer, _ = await read_until_quiet(reader, QUIET)
    writer.close()
    statuses = tuple(int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3})", answer))
    return Outcome(tuple(one for one in statuses if one >= 200), recorder.take())


def known(by_peer: dict[str, str], name: str, word: str) -> bool:
    """Whether a difference is explained; a peer that refuses by now, with another status, is closer to us."""
    explained = by_peer.get(name, "")
    return word == explained or (word, explained) == ("status", "stricter")


@pytest.mark.parametrize("name", CONFIGS)
async def test_differences_are_explained(name: str, tmp_path: Path) -> None:
    program = find(name)
    if program is None:
        pytest.skip(f"{name} is not installed: not beside this Python, not on the PATH, not in /usr/sbin")
    ours, theirs, found = Recorder(), Recorder(), {}
    async with (
        upstream_here(ours.serve) as our_upstream,
        upstream_here(theirs.serve) as their_upstream,
        gateway_here(our_upstream) as here,
        peer_here(name, program, their_upstream, tmp_path) as port,
    ):
        for case in CASES:
            mine, other = await asyncio.gather(ask(here.port, ours, case), ask(port, theirs, case))
            word = difference(mine, other)
            if word:
                found[case.name] = (word, mine, other)
    unexplained = {
        case: outcome for case, outcome in found.items() if not known(EXPLAINED.get(case, {}), name, outcome[0])
    }
    assert unexplained == {}
    assert here.failures == []


def test_explanations_are_of_cases_and_peers() -> None:
    assert set(EXPLAINED) <= {case.name for case in CASES}
    assert {name for by_peer in EXPLAINED.values() for name in by_peer} <= set(CONFIGS)


def test_what_counts_as_a_difference() -> None:
    good, bad = Outcome((200,), (("GET", "/", b""),)), Outcome((400,), ())
    assert difference(good, good) == difference(bad, Outcome((431,), ())) == ""
    assert difference(bad, good) == "stricter"
    assert difference(good, bad) == "laxer"
    assert difference(bad, Outcome((501,), ())) == difference(bad, Outcome((), ())) == "status"
    assert difference(good, Outcome((200,), (("GET", "//", b""),))) == "sees"

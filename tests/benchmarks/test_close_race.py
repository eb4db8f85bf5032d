"""The measurement of the close race, in small: what must hold for every single request that is aimed at it."""

from __future__ import annotations

import re
import shutil

import pytest

from benchmarks.close_race import report


@pytest.mark.skipif(shutil.which("taskset") is None, reason="processes are pinned with taskset (util-linux)")
def test_no_request_is_lost_or_sent_twice() -> None:
    get, post, clients = report(rounds=60, seed=1)
    assert re.search(r"GET .* 60 aimed, \d+ sent again, 60 read; answers 200: 60$", get)
    answered = re.search(r"POST .* 60 aimed, 0 sent again, (\d+) read; answers 200: (\d+)(?:, 502: (\d+))?$", post)
    assert answered is not None, post
    read, good, refused = (int(number or 0) for number in answered.groups())
    assert (read, good + refused) == (good, 60)
    assert re.search(r"\d+ aimed, \d+ lost", clients)

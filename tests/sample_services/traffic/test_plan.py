import random
from collections import Counter
from itertools import islice

import pytest

from sample_services.traffic import journeys, plan
from sample_services.traffic.plan import WEIGHTS, Pace

REFUSED = ("without_token", "foreign_order", "wrong_password")


def test_every_journey_is_known_and_has_a_weight() -> None:
    assert set(WEIGHTS) == set(journeys.ALL)
    assert sum(WEIGHTS.values()) == pytest.approx(100)
    assert sum(WEIGHTS[name] for name in REFUSED) == pytest.approx(3)


def test_the_same_seed_makes_the_same_journeys() -> None:
    def first(seed: int) -> list[str]:
        return list(islice(plan.journeys(WEIGHTS, random.Random(seed)), 50))

    assert first(1) == first(1)
    assert first(1) != first(2)


def test_journeys_come_as_often_as_their_weights_say() -> None:
    counts = Counter(islice(plan.journeys(WEIGHTS, random.Random(1)), 10_000))
    assert set(counts) == set(WEIGHTS)
    for name, weight in WEIGHTS.items():
        assert counts[name] / 100 == pytest.approx(weight, abs=1.5)


def test_without_weights_there_is_nothing_to_choose() -> None:
    for nothing in ({}, {"browse": 0.0}):
        with pytest.raises(ValueError, match="no journey"):
            next(plan.journeys(nothing, random.Random(1)))


def test_the_pace_keeps_its_mean_rate() -> None:
    pace, now = Pace(8.0, random.Random(1)), 0.0
    for _ in range(4_000):
        now += pace.take(now)
    assert 4_000 / now == pytest.approx(8.0, rel=0.05)


def test_those_who_ask_at_once_get_different_moments() -> None:
    pace = Pace(8.0, random.Random(1))
    waits = [pace.take(5.0) for _ in range(5)]
    assert waits[0] == 0.0
    assert waits == sorted(set(waits))


def test_a_pause_is_not_made_up_for() -> None:
    pace = Pace(8.0, random.Random(1))
    pace.take(0.0)
    waits = [pace.take(1_000.0) for _ in range(20)]
    assert waits[0] == 0.0
    assert waits[-1] > 1.0


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_rate_is_positive(rate: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Pace(rate, random.Random(1))


def test_backoff_grows_to_a_limit() -> None:
    assert [plan.backoff(failures) for failures in (1, 2, 3, 6, 1_000_000)] == [0.5, 1.0, 2.0, 15.0, 15.0]

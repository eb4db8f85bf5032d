"""Expressions over scrapes, against what Prometheus would say."""

from __future__ import annotations

import pytest

from scenarios.incidents.metrics import Growth, History, Quantile, Rate, Ratio, Select

ALL = Select("requests_total")
BAD = Select("requests_total", re={"code": "5.."})


def history(*scrapes: str, wanted: tuple[Select, ...] = (ALL, BAD), every: float = 1.0) -> History:
    made = History()
    for number, text in enumerate(scrapes):
        made.add(1_000.0 + number * every, {"gateway": text}, wanted)
    return made


def counted(good: int, bad: int) -> str:
    return f'requests_total{{code="200"}} {good}\nrequests_total{{code="503"}} {bad}\nother_total 7\n'


def test_a_rate_is_the_growth_of_all_series_in_the_window() -> None:
    assert Rate(ALL).value(history(counted(5, 0), counted(25, 0), counted(55, 10))) == pytest.approx(6.0)
    assert Rate(BAD).value(history(counted(5, 0), counted(55, 10))) == pytest.approx(1.0)


def test_what_is_older_than_the_window_does_not_count() -> None:
    scrapes = [counted(number * 10, 0) for number in range(31)]
    assert Rate(ALL).value(history(*scrapes)) == pytest.approx(10.0)


def test_a_counter_that_fell_began_anew_and_a_new_one_began_at_nothing() -> None:
    assert Rate(ALL).value(history(counted(100, 0), counted(4, 0))) == pytest.approx(0.4)
    assert Rate(BAD).value(history('requests_total{code="200"} 1\n', counted(1, 20))) == pytest.approx(2.0)


def test_a_scrape_that_failed_is_left_out() -> None:
    made = History()
    for now, texts in ((0.0, {"gateway": counted(0, 0)}), (1.0, {}), (2.0, {"gateway": counted(30, 0)})):
        made.add(now, texts, (ALL,))
    assert Rate(ALL).value(made) == pytest.approx(3.0)


def test_few_requests_prove_nothing() -> None:
    assert Ratio(BAD, ALL).value(history(counted(0, 0), counted(1, 1))) is None
    assert Ratio(BAD, ALL).value(history(counted(0, 0), counted(6, 2))) == pytest.approx(0.25)


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    select = Select("seconds_bucket")

    def buckets(count: int) -> str:
        bounds = (("0.1", 0.5), ("1", 0.9), ("+Inf", 1.0))
        return "".join(f'seconds_bucket{{le="{le}"}} {share * count}\n' for le, share in bounds)

    made = history(buckets(0), buckets(100), wanted=(select,))
    assert Quantile(0.5, select).value(made) == pytest.approx(0.1)
    assert Quantile(0.7, select).value(made) == pytest.approx(0.1 + 0.9 * 20 / 40)
    assert Quantile(0.99, select).value(made) == 1.0, "of the last bucket only its begin is known"
    assert Quantile(0.5, select).value(history(buckets(0), buckets(2), wanted=(select,))) is None


def test_growth_is_of_one_gauge() -> None:
    select = Select("memory", source="gateway")
    assert Growth(select).value(history("memory 10\n", wanted=(select,))) is None
    assert Growth(select).value(history("memory 10\n", "memory 30\n", wanted=(select,))) == 20


def test_it_says_what_it_is_in_promql() -> None:
    elsewhere = Select("memory", source="profiles")
    assert Growth(elsewhere).promql == 'delta(memory{service="profiles"}[10s])'
    assert Ratio(BAD, ALL).promql == 'sum(rate(requests_total{code=~"5.."}[10s])) / sum(rate(requests_total[10s]))'

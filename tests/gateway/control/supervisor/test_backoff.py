from gateway.control.supervisor.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    backoff = Backoff(first=0.1, longest=1.0, healthy_after=10)
    assert [backoff.after(healthy_seconds=0) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_a_healthy_life_resets_the_delay_and_a_short_one_does_not() -> None:
    backoff = Backoff(first=0.1, longest=1.0, healthy_after=10)
    backoff.after(0)
    assert backoff.after(9.9) == 0.2
    assert backoff.after(10) == 0.1
    assert backoff.after(0) == 0.2

"""The books of arrivals and of what waits."""

from hypothesis import given
from hypothesis import strategies as st

from burstlens.scaling.traffic import Traffic, Wave


def test_the_oldest_are_done_first() -> None:
    first = Traffic().after(10, 5, 0)
    second = first.after(15, 6, 3)

    assert second.backlog == (Wave(10, 2), Wave(15, 4))
    assert (second.arrived, second.seconds, second.total) == (4, 5, 9)


def test_what_seems_to_vanish_for_a_moment_is_not_counted_again() -> None:
    traffic = Traffic().after(0, 100, 0).after(5, 60, 0).after(10, 100, 0)

    assert (traffic.arrived, traffic.total) == (0, 100)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=40))
def test_the_backlog_is_the_depth(steps: list[tuple[int, int]]) -> None:
    traffic, depth, done = Traffic(), 0, 0
    for tick, (came, went) in enumerate(steps, 1):
        depth += came
        finished = min(went, depth)
        depth, done = depth - finished, done + finished
        traffic = traffic.after(5.0 * tick, depth, done)

        assert sum(wave.count for wave in traffic.backlog) == depth
        assert traffic.arrived == came
        assert [wave.at for wave in traffic.backlog] == sorted(wave.at for wave in traffic.backlog)


def test_a_backlog_of_days_stays_short_and_loses_nobody() -> None:
    traffic = Traffic()
    for tick in range(1, 20_000):
        traffic = traffic.after(5.0 * tick, tick, 0)

    assert len(traffic.backlog) <= 721
    assert sum(wave.count for wave in traffic.backlog) == 19_999
    assert traffic.backlog[0].at == 5
    assert traffic.backlog[-1].at == 5.0 * 19_999


@given(st.lists(st.tuples(st.floats(0.5, 60.0), st.integers(0, 9)), max_size=30), st.sampled_from([0.0, 12.5, 32.5]))
def test_who_waits_too_long_is_told_of_once_however_irregular_the_ticks(
    steps: list[tuple[float, int]], seconds: float
) -> None:
    traffic, at, depth, overdue = Traffic(), 1.7e9, 0, 0.0
    for later, came in [(5.0, 0), *steps, *[(7.0, 0)] * 8]:
        at, depth = at + later, depth + came
        traffic = traffic.after(at, depth, 0)
        overdue += traffic.overdue(seconds)

    assert overdue == depth


def test_who_is_done_before_is_never_overdue() -> None:
    traffic = Traffic().after(10, 4, 0).after(15, 0, 4).after(60, 0, 4)

    assert traffic.overdue(30) == 0


def test_r20_the_first_count_takes_no_time() -> None:
    assert Traffic().after(1.7e9, 50, 0).seconds == 0

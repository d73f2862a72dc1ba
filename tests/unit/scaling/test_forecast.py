"""The level of a load, and its peaks."""

from hypothesis import given
from hypothesis import strategies as st

from burstlens.scaling.forecast import Load, Peak


@given(st.lists(st.floats(0, 1e6), max_size=60), st.integers(1, 20))
def test_a_peak_is_the_largest_of_the_last_values(values: list[float], span: int) -> None:
    peak = Peak(span)

    for count, value in enumerate(values, 1):
        assert peak.after(value) == max(values[max(0, count - span) : count])


def test_the_mean_begins_with_the_first_arrival() -> None:
    load = Load(12)
    for arrived in (0, 0, 6, 0, 3):
        load.after(arrived)

    assert (load.ticks, load.total) == (3, 9)
    assert load.means([1, 2, 12]) == [3, 1.5, 3]


def test_nothing_has_come_yet() -> None:
    assert Load(12).mean(6) == 0

"""When requests start."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.workload.arrivals import closed, poisson


def test_a_closed_loop_wants_all_at_once() -> None:
    assert closed(3) == (0.0, 0.0, 0.0)
    assert closed(0) == ()


@given(st.integers(0, 50), st.floats(0.01, 1e6), st.integers())
def test_poisson_arrivals_ascend_and_repeat_with_their_seed(count: int, rate: float, seed: int) -> None:
    arrivals = poisson(count, rate, random.Random(seed))
    assert len(arrivals) == count
    assert all(0 <= earlier <= later for earlier, later in pairwise((0.0, *arrivals)))
    assert arrivals == poisson(count, rate, random.Random(seed))


def test_another_seed_gives_other_arrivals() -> None:
    assert poisson(5, 1.0, random.Random(1)) != poisson(5, 1.0, random.Random(2))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_poisson_gaps_have_mean_and_deviation_of_one_over_the_rate(seed: int) -> None:
    count, rate = 20_000, 4.0
    gaps = [later - earlier for earlier, later in pairwise((0.0, *poisson(count, rate, random.Random(seed))))]
    mean = sum(gaps) / count
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / count) ** 0.5
    assert mean == pytest.approx(1 / rate, rel=0.03)
    assert deviation == pytest.approx(1 / rate, rel=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_poisson_counts_per_second_vary_as_much_as_their_mean(seed: int) -> None:
    """What tells a Poisson process from any other with exponential-looking gaps: variance of the counts = mean."""
    rate, seconds = 5.0, 3_000
    counts = [0] * seconds
    for arrival in poisson(int(rate * seconds * 1.2), rate, random.Random(seed)):
        if arrival < seconds:
            counts[int(arrival)] += 1
    mean = sum(counts) / seconds
    assert mean == pytest.approx(rate, rel=0.05)
    assert sum((count - mean) ** 2 for count in counts) / seconds == pytest.approx(mean, rel=0.1)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_a_rate_must_be_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        poisson(1, rate, random.Random(0))

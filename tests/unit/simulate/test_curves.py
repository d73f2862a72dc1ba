"""A queue as two curves over time."""

import numpy as np
import pytest

from burstlens.simulate.curves import Curves


def test_nobody_waits_while_the_rate_is_enough() -> None:
    curves = Curves()
    curves.serve(10, arrivals=50, rate=5)
    when, waits = curves.waits(5, until=50)

    assert curves.waiting == 0
    assert when.tolist() == [1, 3, 5, 7, 9]
    assert waits.tolist() == [0] * 5


def test_a_backlog_is_served_first_come_first_served() -> None:
    curves = Curves()
    curves.serve(10, arrivals=100, rate=0)
    assert curves.waiting == 100
    curves.serve(20, arrivals=0, rate=5)

    when, waits = curves.waits(2, until=100)

    assert (curves.arrived, curves.started, curves.waiting) == (100, 100, 0)
    assert when.tolist() == [15, 25], "the 25th and the 75th of 100, 5 each second from 10 s on"
    assert waits.tolist() == [12.5, 17.5]


def test_a_backlog_that_is_gone_in_the_middle_leaves_the_rest_without_a_wait() -> None:
    curves = Curves()
    curves.serve(10, arrivals=10, rate=0)
    curves.serve(10, arrivals=10, rate=3)

    assert curves.waiting == 0
    assert curves.started_by(15) == pytest.approx(15), "10 wait and each second takes 2 of them off: gone at 15 s"
    assert curves.started_by(12) == pytest.approx(6)
    assert curves.started_by(18) == pytest.approx(curves.arrived_by(18)) == pytest.approx(18)


def test_heights_before_the_start_and_after_the_end_are_those_of_the_ends() -> None:
    curves = Curves()
    curves.serve(10, arrivals=10, rate=5)

    assert (curves.started_by(-1), curves.arrived_by(-1)) == (0, 0)
    assert (curves.started_by(99), curves.arrived_by(99)) == (10, 10)
    assert curves.arrived_by(2.5) == 2.5


def test_what_waits_does_not_drift_over_a_long_time() -> None:
    curves = Curves()
    for arrivals in np.random.default_rng(1).uniform(0, 10, 5000):
        curves.serve(1, arrivals, rate=7)
    curves.serve(1000, arrivals=0, rate=7)

    assert curves.waiting == 0
    assert curves.started == curves.arrived

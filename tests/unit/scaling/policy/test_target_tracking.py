"""`target-tracking`: a backlog for each instance."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Explaining
from burstlens.scaling.policy.target_tracking import TargetTracking

TEN = TargetTracking(target_backlog=10, scale_in_seconds=20, tick_seconds=5)
"""Five samples span its 20 s."""
DEPTHS = st.integers(min_value=0, max_value=2000)


def observed(*window: int, pending: int = 0, running: int = 0) -> Observation:
    return Observation(window[-1], window, pending=pending, running=running)


@pytest.mark.parametrize(("depth", "wanted"), [(0, 0), (1, 1), (10, 1), (11, 2), (100, 10), (190, 19), (10_000, 19)])
def test_out_at_once_until_no_instance_has_more_than_the_target(depth: int, wanted: int) -> None:
    assert TEN.desired(observed(depth)) == wanted


def test_amazon_s_example_1500_messages_on_10_instances_with_a_target_of_100_want_5_more() -> None:
    """https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-using-sqs-queue.html: 10 s of latency at 0.1 s each."""
    policy = TargetTracking(target_backlog=10 / 0.1, max_instances=100)

    assert policy.desired(observed(1500, running=10)) == 15


def test_it_rounds_in_favour_of_capacity_both_ways() -> None:
    assert TEN.desired(observed(35, running=2)) == 4, "1.5 more are 2 more"
    assert TEN.desired(observed(*[25] * 5, running=4)) == 3, "1.5 fewer are 1 fewer"


def test_r1_instances_that_boot_count() -> None:
    assert TEN.desired(observed(100, pending=10)) == 10
    assert TEN.desired(observed(*[100] * 5, pending=4, running=8)) == 10


def test_in_only_when_the_wish_for_fewer_has_held() -> None:
    wishes = [TEN.desired(observed(*[100] * 3, *[10] * ticks, running=10)) for ticks in range(1, 7)]

    assert wishes == [10, 10, 10, 10, 1, 1]


def test_in_goes_to_the_most_that_was_wanted_meanwhile() -> None:
    assert TEN.desired(observed(10, 40, 10, 20, 10, running=10)) == 4


def test_r8_one_dip_does_not_end_what_the_next_tick_needs() -> None:
    assert TEN.desired(observed(100, 100, 0, 100, 100, running=10)) == 10
    assert TEN.desired(observed(100, 100, 100, 100, 0, running=10)) == 10


def test_r20_after_a_restart_nothing_goes_before_the_span_is_over() -> None:
    assert [TEN.desired(observed(*[0] * ticks, running=7)) for ticks in range(1, 6)] == [7, 7, 7, 7, 0]


def test_r19_it_goes_to_zero_once_and_stays_there() -> None:
    assert TEN.desired(observed(*[0] * 5, running=3)) == 0
    assert TEN.desired(observed(*[0] * 6)) == 0


def test_without_a_span_it_follows_at_once() -> None:
    assert TargetTracking(scale_in_seconds=0).desired(observed(500, 10, running=19)) == 1


@given(st.lists(DEPTHS, min_size=1, max_size=8), st.integers(0, 40), st.integers(0, 5), st.integers(5, 30))
def test_r2_never_above_the_cap_and_never_below_the_minimum(
    window: list[int], running: int, least: int, most: int
) -> None:
    policy = TargetTracking(10, 20, 5, least, most)

    assert least <= policy.desired(observed(*window, running=running)) <= most


@given(st.lists(DEPTHS, min_size=1, max_size=8), st.integers(0, 19))
def test_it_never_wants_less_than_the_target_needs_now(window: list[int], running: int) -> None:
    assert TEN.desired(observed(*window, running=running)) >= min(19, window[-1] / 10)


def test_it_says_why() -> None:
    assert isinstance(TEN, Explaining)
    assert TEN.explain(observed(35)) == "depth 35 makes 4 at 10 for each instance"
    assert TEN.explain(observed(5, running=4)) == "depth 5 makes 1 at 10 for each instance, not yet steady for 20 s"
    assert TEN.explain(observed(5, 30, 5, 5, 5, running=4)) == (
        "depth 5 makes 1 at 10 for each instance, and the most in the last 20 s was 3"
    )


def test_settings_choose_its_numbers() -> None:
    options = ScalingOptions(target_backlog=7.5, scale_in_seconds=60, tick_seconds=2, min_instances=1, max_instances=5)

    assert TargetTracking.from_options(options) == TargetTracking(7.5, 60, 2, 1, 5)

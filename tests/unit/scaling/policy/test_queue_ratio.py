"""How many instances are wanted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.errors import Misconfigured
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy import POLICIES, policy_from
from burstlens.scaling.policy.queue_ratio import QueueRatio, ceil_ratio

CLASSIC = QueueRatio()
DEPTHS = st.integers(min_value=0, max_value=100_000)
INSTANCES = st.integers(min_value=0, max_value=200)


def observed(*window: int, instances: int = 0) -> Observation:
    return Observation(depth=window[-1], window=window, running=instances)


@st.composite
def ratios(draw: st.DrawFn) -> QueueRatio:
    least = draw(st.integers(0, 20))
    out_divisor = draw(st.integers(1, 20))
    return QueueRatio(
        min_instances=least,
        max_instances=draw(st.integers(least, 60)),
        scale_out_divisor=out_divisor,
        scale_in_divisor=draw(st.integers(out_divisor, 60)),
        window=draw(st.integers(1, 10)),
    )


@st.composite
def observations(draw: st.DrawFn) -> Observation:
    window = tuple(draw(st.lists(DEPTHS, min_size=1, max_size=10)))
    return Observation(window[-1], window, pending=draw(INSTANCES), running=draw(INSTANCES))


@pytest.mark.parametrize(
    ("depth", "wanted"), [(0, 0), (1, 1), (2, 1), (3, 2), (20, 10), (37, 19), (38, 19), (39, 19), (100_000, 19)]
)
def test_out_to_half_of_the_depth_and_at_most_19(depth: int, wanted: int) -> None:
    assert CLASSIC.desired(observed(depth)) == wanted


@pytest.mark.parametrize(
    ("depth", "wanted"), [(0, 0), (1, 1), (10, 1), (11, 2), (38, 4), (100, 10), (190, 19), (1000, 19)]
)
def test_in_to_a_tenth_of_the_depth(depth: int, wanted: int) -> None:
    assert CLASSIC.desired(observed(*[depth] * 6, instances=19)) == wanted


def test_between_a_tenth_and_a_half_the_fleet_stays() -> None:
    assert CLASSIC.desired(observed(30, 20, 20, 20, 20, 20, instances=12)) == 12


def test_r1_pending_instances_count() -> None:
    assert CLASSIC.desired(Observation(20, (20,), pending=10)) == 10
    assert CLASSIC.desired(Observation(20, (20,), pending=6, running=5)) == 11


def test_r20_no_scale_in_before_the_window_is_full() -> None:
    wishes = [CLASSIC.desired(observed(*[0] * samples, instances=7)) for samples in range(1, 7)]

    assert wishes == [7, 7, 7, 7, 7, 0]


def test_r8_jitter_within_one_step_does_not_put_scale_in_off() -> None:
    assert CLASSIC.desired(observed(20, 11, 17, 14, 20, 12, instances=9)) == 2
    assert CLASSIC.desired(observed(20, 11, 17, 14, 21, 12, instances=9)) == 9


def test_r19_one_request_within_the_window_keeps_the_fleet() -> None:
    assert CLASSIC.desired(observed(0, 0, 0, 0, 1, 0, instances=1)) == 1
    assert CLASSIC.desired(observed(1, 0, 0, 0, 0, 0, 0, instances=1)) == 0


@given(ratios(), observations())
def test_r2_never_above_the_cap_and_never_below_the_minimum(policy: QueueRatio, seen: Observation) -> None:
    assert policy.min_instances <= policy.desired(seen) <= policy.max_instances


@given(ratios(), st.lists(DEPTHS, max_size=9), INSTANCES, DEPTHS, DEPTHS)
def test_a_deeper_queue_never_wants_fewer(
    policy: QueueRatio, before: list[int], instances: int, depth: int, other_depth: int
) -> None:
    small, large = sorted((depth, other_depth))
    steady = [small] * policy.window, [large] * policy.window

    assert policy.desired(observed(*steady[0], instances=instances)) <= policy.desired(
        observed(*steady[1], instances=instances)
    )
    assert policy.desired(observed(*before, small)) <= policy.desired(observed(*before, large))


@given(ratios(), INSTANCES)
def test_r19_an_empty_queue_is_left_at_the_minimum_for_good(policy: QueueRatio, instances: int) -> None:
    empty = (0,) * policy.window
    after = policy.desired(Observation(0, empty, running=instances))

    assert after == policy.min_instances
    assert policy.desired(Observation(0, empty, running=after)) == after


def test_the_classic_swings_when_the_depth_stands_still() -> None:
    """It is replayed as it is: the simulator shows what that costs."""
    assert CLASSIC.desired(observed(*[20] * 6, instances=10)) == 2
    assert CLASSIC.desired(observed(*[20] * 6, instances=2)) == 10


@given(ratios(), observations())
def test_growing_follows_the_depth_of_now_alone(policy: QueueRatio, seen: Observation) -> None:
    out = min(policy.max_instances, max(policy.min_instances, ceil_ratio(seen.depth, policy.scale_out_divisor)))
    wanted = policy.desired(seen)

    assert (wanted > seen.instances) == (out > min(seen.instances, policy.max_instances) and wanted == out)


@given(st.integers(0, 10**30), st.integers(1, 10**9))
def test_ceil_ratio_is_exact(amount: int, divisor: int) -> None:
    assert (ceil_ratio(amount, divisor) - 1) * divisor < amount <= ceil_ratio(amount, divisor) * divisor


def test_settings_choose_the_policy_and_its_numbers() -> None:
    options = ScalingOptions(min_instances=1, max_instances=5, scale_out_divisor=3, scale_in_divisor=7, window=2)

    assert policy_from(options) == QueueRatio(1, 5, 3, 7, 2)
    assert policy_from(ScalingOptions()) == CLASSIC


def test_an_unknown_policy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Misconfigured, match=r"no policy 'guess'; use one of: .*queue-ratio"):
        policy_from(ScalingOptions(policy="guess"))
    assert "queue-ratio" in POLICIES

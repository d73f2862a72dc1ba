"""The event engine against what can be worked out by hand: the production loop over a simulated world."""

from dataclasses import replace

import numpy as np
import pytest

from burstlens.errors import Misconfigured
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.arrivals import burst
from burstlens.simulate.event import simulate
from burstlens.simulate.world import Duration, World
from support.simulated import OPTIONS, PUBLIC, Scripted, pool_of, while_needed, world_of

ALONE = world_of()


def test_a_burst_on_one_instance_is_launched_booted_served_and_billed_to_the_second() -> None:
    outcome = simulate(burst(30), ALONE, OPTIONS, while_needed(1))

    # Seen and launched at 5 s, ready at 50 s, one answer each half second, the last one at 65 s: 60 s are billed.
    assert outcome.latencies.tolist() == [50.5 + 0.5 * number for number in range(30)]
    assert (outcome.requests, outcome.unanswered, outcome.launches, outcome.peak) == (30, 0, 1, 1)
    assert outcome.billed_seconds == 60.0
    assert outcome.money == pytest.approx(60 * 0.36 / 3600)


def test_the_timeline_tells_the_same_tick_by_tick() -> None:
    timeline = simulate(burst(30), ALONE, OPTIONS, while_needed(1)).timeline

    assert timeline.at.tolist() == [5.0 * tick for tick in range(14)]
    assert timeline.arrivals.tolist() == [0.0, 30.0, *[0.0] * 12]
    # What begins as the autoscaler looks has begun, and what ends then has ended.
    assert timeline.backlog.tolist() == [0.0, *[30.0] * 10, 20.0, 10.0, 0.0]
    assert timeline.instances["public"].tolist() == [0.0, *[1.0] * 12, 0.0]
    assert timeline.money[[0, 1, 13]] == pytest.approx([0.0, 0.006, 0.006])


@pytest.mark.parametrize(("at", "launched_at"), [(0.0, 5.0), (7.0, 10.0), (10.0, 15.0)])
def test_an_arrival_is_seen_at_the_first_tick_after_it(at: float, launched_at: float) -> None:
    outcome = simulate(burst(1, at), ALONE, OPTIONS, while_needed(1))

    assert outcome.latencies.tolist() == [launched_at + 45.5 - at]


def test_pending_takes_time_and_is_not_billed() -> None:
    world = world_of(replace(pool_of(), pending_seconds=20.0))

    outcome = simulate(burst(30), world, OPTIONS, while_needed(1))

    assert outcome.latencies[0] == 70.5
    assert outcome.billed_seconds == 60.0


@pytest.mark.parametrize(
    ("lag_seconds", "at", "launched_at"), [(5.0, 0.0, 10.0), (7.0, 0.0, 10.0), (7.0, 4.0, 15.0), (2.0, 4.0, 10.0)]
)
def test_a_depth_that_is_late_is_acted_on_late(lag_seconds: float, at: float, launched_at: float) -> None:
    world = replace(ALONE, depth_lag_seconds=lag_seconds)

    outcome = simulate(burst(1, at), world, OPTIONS, while_needed(1))

    assert outcome.latencies.tolist() == [launched_at + 45.5 - at]


def test_a_depth_is_off_by_no_more_than_its_share() -> None:
    policy = Scripted(lambda _: 0)
    simulate(burst(1000), replace(ALONE, depth_error_share=0.1), OPTIONS, policy)

    depths = {seen.depth for seen in policy.seen[1:]}

    assert min(depths) >= 900
    assert max(depths) <= 1100
    assert len(depths) > 50


def test_a_policy_sees_what_the_fleet_has_done() -> None:
    policy = while_needed(1)
    simulate(burst(30), ALONE, OPTIONS, policy)

    at_60_seconds = policy.seen[12]

    assert (at_60_seconds.depth, at_60_seconds.in_flight, at_60_seconds.busy) == (10, 1, 1)
    assert at_60_seconds.traffic.total == 30.0
    assert at_60_seconds.prospects[0].boot_seconds == 45.0
    assert at_60_seconds.prospects[0].service_seconds == 0.5


def test_a_standing_fleet_is_billed_for_half_an_hour_after_the_last_answer() -> None:
    options = ScalingOptions(min_instances=2)

    outcome = simulate(burst(1, at=100.0), ALONE, options)

    # It is launched as the autoscaler starts; the answer of 100.5 s is seen at 105 s.
    assert outcome.latencies.tolist() == [0.5]
    assert outcome.billed_seconds == 2 * (105 + 1800)


def test_a_run_is_broken_off_an_hour_after_the_last_arrival() -> None:
    outcome = simulate(burst(7, at=100.0), ALONE, OPTIONS, Scripted(lambda _: 0))

    assert (outcome.requests, outcome.unanswered, len(outcome.latencies)) == (7, 7, 0)
    assert outcome.timeline.at[-1] == 3700.0
    assert (outcome.launches, outcome.peak, outcome.billed_seconds) == (0, 0, 0.0)
    assert outcome.attainment(1e9) == 0.0


def test_what_is_answered_after_the_end_is_unanswered() -> None:
    world = world_of(pool_of(service=1000.0))
    outcome = simulate(burst(5), world, OPTIONS, while_needed(1))

    assert outcome.latencies.tolist() == [1050.0, 2050.0, 3050.0]
    assert outcome.unanswered == 2
    assert outcome.billed_seconds == 3600.0 - 5.0


def test_without_arrivals_nothing_happens() -> None:
    outcome = simulate(burst(0), ALONE, OPTIONS)

    assert (outcome.requests, outcome.launches, outcome.money) == (0, 0, 0.0)
    assert outcome.timeline.at.tolist() == [0.0]


def fickle(seed: int) -> World:
    """Nothing is ever twice the same here."""
    public = replace(
        pool_of(),
        boot=Duration(45.0, 0.3, 30.0, 90.0),
        service=Duration(0.5, 0.5),
        capacity_error_share=0.2,
        interruptions_per_hour=10.0,
        notice_seconds=0.0,
    )
    return replace(world_of(public), depth_error_share=0.2, list_lag_seconds=4.0, depth_lag_seconds=3.0, seed=seed)


def test_the_same_seed_gives_the_same_outcome_and_another_one_another() -> None:
    arrivals = np.sort(np.random.default_rng(1).uniform(0.0, 600.0, 300))
    one, same, other = (simulate(arrivals, fickle(seed), OPTIONS) for seed in (1, 1, 2))

    assert np.array_equal(one.latencies, same.latencies)
    assert np.array_equal(one.timeline.money, same.timeline.money)
    assert (one.billed_seconds, one.launches) == (same.billed_seconds, same.launches)
    assert not np.array_equal(one.latencies, other.latencies)


def test_a_request_takes_as_long_whatever_the_policy() -> None:
    world = world_of(replace(pool_of(boot=0.0), service=Duration(0.5, 0.5)))
    arrivals = np.arange(0.0, 2000.0, 100.0)
    few, many = (simulate(arrivals, world, ScalingOptions(min_instances=count)) for count in (1, 5))

    assert few.latencies == pytest.approx(many.latencies)
    assert len(set(few.latencies.round(6))) == 20


@pytest.mark.parametrize("arrivals", [[2.0, 1.0], [-1.0], [float("nan")], [[1.0]]])
def test_arrivals_that_make_no_sense_are_refused(arrivals: list[float]) -> None:
    with pytest.raises(ValueError, match="ascending"):
        simulate(np.array(arrivals), ALONE, OPTIONS)


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(Misconfigured, match="no policy 'guess'"):
        simulate(burst(1), ALONE, ScalingOptions(policy="guess"))


def test_a_run_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(burst(30), world_of(pool_of(PUBLIC)), OPTIONS)

    assert capsys.readouterr() == ("", "")

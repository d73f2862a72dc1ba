"""A decision log in the simulator, beside what it was of."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from burstlens.clouds.base import Billing, Pool
from burstlens.errors import Misconfigured
from burstlens.queues.base import Depth
from burstlens.scaling.decision import Census, Decision, Load
from burstlens.scaling.observation import Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.target_tracking import TargetTracking
from burstlens.simulate import event
from burstlens.simulate.outcome import Floats
from burstlens.simulate.replay import Course, Figures, Recording
from burstlens.simulate.world import Duration, SimulatedPool, World

BEGAN = 1_764_018_245.0
OWN = Prospect("own", 2.0, 0.5, billing=Billing(1.0, 0.0), room=4)


def decided(
    at: float, depth: int, instances: int, total: float, launched: int = 0, until: float | None = None
) -> Decision:
    return Decision(
        BEGAN + at,
        depth=Depth(depth),
        census=Census(running=instances),
        launched=tuple(f"app-tier-{number}" for number in range(launched)),
        pools={"own": instances} if instances else {},
        load=Load(total=total),
        prospects=(replace(OWN, room=4 - instances),),
        until=None if until is None else BEGAN + until,
    )


RUN = (
    decided(0, 0, 0, 0, until=5),
    decided(6, 4, 0, 4, launched=2),
    decided(7, 4, 2, 6),
    decided(9, 1, 2, 6),
    decided(10, 0, 2, 6),
    decided(11, 0, 0, 6, until=20),
)


def recorded(decisions: Sequence[Decision] = RUN, options: ScalingOptions | None = None) -> Recording:
    return Recording.of(decisions, options or ScalingOptions(), 3.0)


def test_a_run_in_a_few_numbers() -> None:
    assert Course.of(RUN).figures(20) == Figures(
        launches=2, instance_seconds=10, peak=2, busy_seconds=4, mean_backlog=(4 + 2 * 4 + 1) / 4
    )


def test_what_still_waits_and_runs_in_the_end_counts_until_then() -> None:
    assert Course.of(RUN[:3]).figures(10) == Figures(2, 2 + 3 * 2, 2, busy_seconds=4, mean_backlog=4)
    assert Course.of(RUN[:1]).figures(10) == Figures(0, 0, 0, 0, 0)


def test_ticks_that_saw_nothing_are_left_out_and_their_launches_are_not() -> None:
    blind = (*RUN[:2], Decision(BEGAN + 6.5, census=None), *RUN[2:])
    dark = replace(decided(6.5, 0, 9, 4, launched=1), depth=None, load=None)

    assert Course.of(blind).figures(20) == Course.of(RUN).figures(20)
    assert Course.of((*RUN[:2], dark, *RUN[2:])).figures(20) == replace(Course.of(RUN).figures(20), launches=3)


def test_arrivals_are_spread_over_the_time_between_two_counts() -> None:
    assert recorded().arrivals.tolist() == pytest.approx([5.125, 5.375, 5.625, 5.875, 6.25, 6.75])


def test_what_the_first_count_found_was_there_at_the_start() -> None:
    assert recorded((decided(0, 3, 0, 3), decided(2, 4, 0, 4))).arrivals.tolist() == [0, 0, 0, 1]


def test_what_came_while_nobody_counted_came_evenly() -> None:
    unknown = replace(decided(4, 0, 0, 0), depth=None, load=None)

    assert recorded((decided(0, 0, 0, 0), unknown, decided(8, 2, 0, 2))).arrivals.tolist() == [2, 6]


def test_r20_a_restarted_autoscaler_s_first_count_is_no_new_arrival() -> None:
    log = (decided(0, 0, 0, 0), decided(10, 5, 0, 50), decided(20, 6, 0, 6), decided(30, 4, 0, 8))

    assert [np.count_nonzero((recorded(log).arrivals // 10) == part) for part in range(3)] == [50, 1, 2]


def test_the_world_is_as_it_was_measured_in_the_end() -> None:
    later = replace(
        RUN[-1], prospects=(replace(OWN, boot_seconds=2.5, room=0), Prospect("ec2", 40.0, 0.4, 0.1, room=9))
    )
    own, ec2 = recorded((*RUN[:-1], later)).world.pools

    assert own == SimulatedPool(
        Pool("own", "simulated", cap=4, billing=Billing(1.0, 0.0)), boot=Duration(2.5), service=Duration(0.5)
    )
    assert (ec2.pool.order, ec2.pool.cap, ec2.pool.price_per_hour, ec2.boot) == (1, 9, 0.1, Duration(40.0))
    assert recorded().world.heartbeat_seconds == 3.0


@pytest.mark.parametrize(("seconds_of_one", "depths"), [(0.25, (90, 74, 58, 42)), (1 / 3, (90, 78, 66, 54, 42))])
def test_requests_take_what_the_fleet_s_pace_was_while_it_had_no_lack_of_them(
    seconds_of_one: float, depths: Sequence[int]
) -> None:
    """The estimate is 0.5 s, and two instances run."""
    log = [
        *(decided(0, 0, 0, 0), decided(1, 90, 0, 90, launched=2), decided(5, 90, 1, 90)),
        *(decided(7 + 2 * tick, depth, 2, 90) for tick, depth in enumerate(depths)),
        *(decided(70, 3, 2, 90), decided(80, 0, 2, 90)),
    ]

    assert recorded(log).world.pools[0].service.median_seconds == pytest.approx(seconds_of_one)


def test_nobody_finished_more_than_it_can_whatever_the_estimate_says() -> None:
    run = (
        decided(0, 0, 0, 0),
        decided(1, 100, 0, 100, launched=2),
        decided(2, 96, 2, 100),
        decided(3.5, 2, 2, 100),
        decided(4, 0, 2, 100),
        decided(4.5, 0, 0, 100),
    )
    (pool,) = recorded(run).world.pools

    assert pool.service.median_seconds == pytest.approx((1 + 1.5 + 0.5) * 2 / 100), (
        "not the half second of the settings"
    )


def test_the_tick_is_the_median_of_those_there_were() -> None:
    assert recorded().tick_seconds == 1.0
    assert recorded().seconds == 20.0


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ((), "at least two decisions"),
        (RUN[:1], "at least two decisions"),
        ((Decision(BEGAN), Decision(BEGAN + 5)), "at least two decisions"),
        (tuple(replace(decision, prospects=()) for decision in RUN), "names no pools"),
    ],
)
def test_what_cannot_be_replayed_is_refused(log: Sequence[Decision], why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        recorded(log)


def test_errors_are_shares_of_what_was_real() -> None:
    real, other = Figures(2, 10.0, 2, 4.0, 0.0), Figures(3, 8.0, 2, 4.0, 1.0)

    assert other.errors(real) == {
        "launches": 0.5,
        "instance_seconds": -0.2,
        "peak": 0.0,
        "busy_seconds": 0.0,
        "mean_backlog": np.inf,
    }


def simulated(arrivals: Floats, world: World, options: ScalingOptions) -> list[Decision]:
    """What the autoscaler decided in a simulated run."""
    run = event._Run(arrivals, world, options, TargetTracking.from_options(options))
    asyncio.run(run.outcome())
    return list(run._autoscaler.recent)


@pytest.mark.parametrize(
    ("arrivals", "measures"),
    [
        (np.full(100, 3.0), {"launches", "instance_seconds", "peak", "busy_seconds", "mean_backlog"}),
        (np.repeat([3.0, 90.0], [100, 250]), {"launches", "instance_seconds", "peak", "busy_seconds", "mean_backlog"}),
        # How often a fleet near a threshold goes back and forth is chance: when in a tick requests came is not known.
        (np.sort(np.random.default_rng(1).uniform(0, 60, 900)), {"instance_seconds", "peak", "busy_seconds"}),
    ],
)
def test_a_simulated_run_is_predicted_from_its_own_log(arrivals: Floats, measures: set[str]) -> None:
    pool = Pool("own", "simulated", cap=30)
    world = World((SimulatedPool(pool, boot=Duration(6.0), service=Duration(0.8)),), heartbeat_seconds=3.0)
    options = ScalingOptions(tick_seconds=2.0, max_instances=30, scale_in_seconds=8.0, target_backlog=4.0)
    log = simulated(arrivals, world, options)

    recording = recorded(log, options)
    real = recording.course.figures(recording.seconds)
    predicted = recording.predicted(options, TargetTracking.from_options(options)).figures(recording.seconds)
    assert real.peak > 15
    errors = {name: error for name, error in predicted.errors(real).items() if name in measures}
    assert max(map(abs, errors.values())) < 0.1, (errors, predicted, real, recording.world)

"""What the production loop makes of clouds that disappoint: the requirements, each where the naive way fails."""

from dataclasses import replace

import numpy as np
import pytest

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.arrivals import burst
from burstlens.simulate.clock import START
from burstlens.simulate.event import simulate
from burstlens.simulate.world import Duration, SimulatedPool
from support.simulated import OPTIONS, PRIVATE, PUBLIC, Scripted, pool_of, while_needed, world_of

PAIR = (pool_of(PRIVATE), pool_of(PUBLIC))


@pytest.mark.parametrize("lag_seconds", [0.0, 12.0])
def test_r1_what_boots_is_not_launched_again_whether_it_is_listed_yet_or_not(lag_seconds: float) -> None:
    world = replace(world_of(), list_lag_seconds=lag_seconds)

    outcome = simulate(burst(30), world, OPTIONS)

    assert (outcome.launches, outcome.peak) == (15, 15), "half of the depth, seen for nine ticks while they boot"


def test_r2_the_cap_counts_what_no_cloud_lists_yet_and_what_still_drains() -> None:
    world = replace(world_of(), list_lag_seconds=12.0)
    options = replace_options(max_instances=4)
    size = Scripted(lambda seen: 0 if seen.at % 30 < 10 else 100)

    outcome = simulate(np.arange(0.0, 400.0), world, options, size)

    assert outcome.launches > 12
    assert outcome.peak == 4


def test_r4_no_request_is_cut_off_by_scale_in() -> None:
    world = world_of(pool_of(boot=5.0, service=40.0))

    outcome = simulate(burst(4), world, OPTIONS, Scripted(lambda seen: 4 if seen.at % 60 < 30 and seen.depth else 0))

    assert outcome.latencies.tolist() == [50.0] * 4


def test_r11_what_one_pool_has_no_machine_for_the_next_one_launches_in_the_same_tick() -> None:
    dry = replace(pool_of(PRIVATE), capacity_error_share=1.0)

    outcome = simulate(burst(4), world_of(dry, pool_of(PUBLIC)), OPTIONS, while_needed(4))

    assert outcome.latencies.tolist() == [50.5] * 4
    assert outcome.timeline.instances["private"].max() == 0
    assert outcome.timeline.instances["public"].max() == 4


@pytest.mark.parametrize(
    ("private", "asked_at"),
    [
        (replace(pool_of(PRIVATE), capacity_error_share=1.0), [0.0, 60.0, 120.0, 180.0]),
        (replace(pool_of(PRIVATE), quota=2), [0.0, 200.0]),
    ],
)
def test_r12_a_pool_without_capacity_is_asked_again_sooner_than_one_whose_quota_is_used_up(
    private: SimulatedPool, asked_at: list[float]
) -> None:
    options = replace_options(capacity_cooldown_seconds=60.0, quota_cooldown_seconds=200.0)
    policy = Scripted(lambda seen: 8 if seen.at <= START + 200.0 else 0)

    simulate(burst(1), world_of(private, replace(pool_of(PUBLIC), quota=3)), options, policy)

    rooms = {seen.at - START: {each.name: each.room for each in seen.prospects} for seen in policy.seen}
    assert [at for at, room in rooms.items() if room["private"] and at <= 200.0] == asked_at


def test_r14_a_fleet_that_is_taken_back_again_and_again_answers_everything() -> None:
    spot = replace(pool_of(boot=10.0, service=8.0), interruptions_per_hour=30.0, notice_seconds=0.0)
    arrivals = np.arange(0.0, 600.0, 3.0)

    outcome = simulate(arrivals, world_of(spot), OPTIONS, while_needed(4))

    assert outcome.unanswered == 0
    assert outcome.launches > 20
    assert outcome.billed_seconds > 8.0 * len(arrivals), "what was cut off is paid for, and done again"


def test_r14_within_its_notice_an_instance_finishes_what_it_works_on() -> None:
    def billed(notice_seconds: float) -> float:
        spot = replace(pool_of(boot=10.0, service=100.0), interruptions_per_hour=20.0, notice_seconds=notice_seconds)
        return simulate(burst(30), world_of(spot), OPTIONS, while_needed(10)).billed_seconds

    assert billed(120.0) < 0.8 * billed(0.0)


def test_r13_three_boots_that_never_end_close_the_pool_and_the_next_one_serves() -> None:
    dead = replace(pool_of(PRIVATE), boot=Duration(10_000.0))

    outcome = simulate(burst(40), world_of(dead, pool_of(PUBLIC)), OPTIONS, while_needed(4))

    assert outcome.unanswered == 0
    assert outcome.timeline.instances["public"].max() > 0


def test_a_private_pool_is_filled_first_and_is_free() -> None:
    outcome = simulate(burst(100), world_of(*PAIR), OPTIONS, while_needed(6))

    assert outcome.timeline.instances["private"].max() == 4
    assert outcome.timeline.instances["public"].max() == 2
    public_seconds = 60.0
    assert outcome.money == pytest.approx(2 * public_seconds * PUBLIC.price_per_hour / 3600)


def replace_options(**changes: float) -> ScalingOptions:
    return OPTIONS.model_copy(update=changes)

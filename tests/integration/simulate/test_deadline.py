"""`deadline` under the production loop: what a run comes to."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.policy.deadline import Deadline
from burstlens.simulate.arrivals import burst, poisson
from burstlens.simulate.event import simulate
from burstlens.simulate.world import EC2_BILLING
from support.simulated import OPTIONS, PRIVATE, PUBLIC, pool_of, world_of

LONG = OPTIONS.model_copy(update={"policy": "deadline", "deadline_seconds": 120.0})
SHORT = OPTIONS.model_copy(update={"policy": "deadline", "deadline_seconds": 30.0})
HOUR = 3600.0


@dataclass
class Recorded:
    """A policy, and what it was shown and wished."""

    policy: Policy
    wishes: list[tuple[Observation, int]] = field(default_factory=list)

    def desired(self, observation: Observation) -> int:
        wish = self.policy.desired(observation)
        self.wishes.append((observation, wish))
        return wish


@dataclass
class Restarted:
    """Forgets everything at some moment, as an autoscaler that is started again."""

    options: ScalingOptions
    after_ticks: int

    def __post_init__(self) -> None:
        self.policy = Deadline(self.options)

    def desired(self, observation: Observation) -> int:
        self.after_ticks -= 1
        if not self.after_ticks:
            self.policy = Deadline(self.options)
        return self.policy.desired(observation)


@pytest.mark.parametrize("count", [10, 100, 500, 1000])
def test_a_burst_is_in_time_with_as_few_as_can_when_a_boot_takes_a_third_longer_than_settings_say(count: int) -> None:
    outcome = simulate(burst(count), world_of(), LONG)

    assert outcome.attainment(120) == 1
    assert outcome.launches == outcome.peak <= math.ceil(count * 0.5 / (120 - 60 - 2 * 5))
    assert outcome.percentile(1.0) > 65, "as late as possible"


def test_requests_that_come_one_after_the_other_share_the_launch() -> None:
    outcome = simulate(np.arange(0.0, 50.0, 5.0), world_of(), LONG)

    assert (outcome.launches, outcome.attainment(120)) == (1, 1.0)


def test_nobody_goes_within_the_paid_minute_and_nobody_idle_stays_beyond_it() -> None:
    policy = Recorded(Deadline(LONG))
    arrivals = np.sort(np.concatenate([burst(200, at) for at in np.arange(0.0, HOUR, 400.0)]))

    outcome = simulate(arrivals, world_of(), LONG, policy)

    drops = [(seen, wish) for seen, wish in policy.wishes if wish < seen.instances]
    assert len(drops) >= 9
    for seen, wish in drops:
        used_up = sum(c.count for c in seen.cohorts if not c.booting and c.age_seconds >= EC2_BILLING.minimum_seconds)
        assert seen.instances - wish <= used_up
    work = 0.5 * len(arrivals)
    assert outcome.billed_seconds <= work + outcome.launches * (45 + 15), "a boot each, and three ticks to see it idle"
    assert outcome.attainment(120) == 1


@pytest.mark.parametrize(("options", "deadline"), [(LONG, 120), (SHORT, 30)])
def test_a_steady_load_costs_little_more_than_its_work(options: ScalingOptions, deadline: float) -> None:
    arrivals = poisson(6.0, HOUR, np.random.default_rng(2))

    outcome = simulate(arrivals, world_of(), options)

    assert outcome.attainment(deadline) >= 0.99
    assert outcome.billed_seconds <= 1.75 * 0.5 * len(arrivals)


def test_spikes_that_come_again_find_somebody_there() -> None:
    spikes = np.sort(np.concatenate([at + np.arange(0.0, 50.0, 0.1) for at in np.arange(0.0, 2 * HOUR, 300.0)]))

    outcome = simulate(spikes, world_of(), SHORT)
    reserve = outcome.timeline.instances["public"]

    # Five instances' work. Who boots for 45 s when a spike begins is there when it ends.
    assert reserve[len(reserve) // 2 : -200].min() >= 4
    assert outcome.attainment(30) >= 0.95


def test_r15_standby_instances_are_there_before_the_request_comes() -> None:
    arrivals = np.array([300.0])

    cold = simulate(arrivals, world_of(), LONG)
    ready = simulate(arrivals, world_of(), LONG.model_copy(update={"standby": 2}))

    assert cold.mean_seconds > 45, "as long as a boot"
    assert ready.mean_seconds == 0.5, "as long as its work"
    assert ready.peak == 2


@pytest.mark.parametrize("seconds", [20.0, 240.0])
def test_r19_the_last_one_waits_for_a_pause_as_usual_and_then_goes_for_good(seconds: float) -> None:
    arrivals = np.arange(20.0) * seconds

    outcome = simulate(arrivals, world_of(), SHORT)
    there = outcome.timeline.instances["public"]

    assert outcome.launches <= 4, "once, and once more while nobody knows how long a pause is"
    assert there[(outcome.timeline.at > arrivals[9]) & (outcome.timeline.at < arrivals[19])].min() >= 1
    assert there[-1] == 0
    assert outcome.timeline.at[-1] <= arrivals[-1] + max(300, 2.5 * seconds) + 60, "five minutes for an unknown load"


def test_r19_a_night_is_not_paid_for() -> None:
    day = poisson(0.2, HOUR, np.random.default_rng(1))
    night = 3 * HOUR
    arrivals = np.concatenate([day, day + HOUR + night, [2 * (HOUR + night)]])

    outcome = simulate(arrivals, world_of(), SHORT)

    assert outcome.attainment(30) >= 0.99
    assert outcome.billed_seconds < 3 * HOUR


@pytest.mark.parametrize(("options", "deadline"), [(LONG, 120), (SHORT, 30)])
def test_r20_a_restart_drops_nobody_and_launches_nobody_again(options: ScalingOptions, deadline: float) -> None:
    arrivals = poisson(6.0, 1800.0, np.random.default_rng(3))

    once = simulate(arrivals, world_of(), options)
    again = simulate(arrivals, world_of(), options, Restarted(options, after_ticks=180))

    assert again.launches <= once.launches + 10
    assert again.attainment(deadline) >= once.attainment(deadline) - 0.001
    assert again.billed_seconds <= 1.2 * once.billed_seconds


def test_r17_the_dearer_the_waiting_the_sooner_the_answer_and_the_higher_the_bill() -> None:
    arrivals = np.sort(np.concatenate([burst(60, at) for at in np.arange(0.0, 1800.0, 200.0)]))
    outcomes = [
        simulate(arrivals, world_of(), LONG.model_copy(update={"waiting_price_per_hour": price}))
        for price in (0.0, 0.2, 5.0)
    ]
    means = [outcome.mean_seconds for outcome in outcomes]
    bills = [outcome.billed_seconds for outcome in outcomes]

    assert means[0] > means[1] > means[2]
    assert bills[0] <= bills[1] < bills[2]


def test_a_pool_that_costs_nothing_launches_at_once() -> None:
    paid, free = (
        simulate(burst(20), world_of(pool_of(replace(PUBLIC, price_per_hour=price))), LONG) for price in (0.36, 0.0)
    )

    assert free.percentile(0.0) == 50.5, "a tick to see it and a boot"
    assert free.percentile(1.0) < paid.percentile(0.0)


def test_requests_that_are_late_when_a_machine_is_there_at_last_are_answered() -> None:
    dry = replace(pool_of(), interruptions_per_hour=60.0, notice_seconds=0.0)

    outcome = simulate(burst(40), world_of(dry), LONG)

    assert outcome.unanswered == 0


def test_a_slow_private_pool_beside_a_quick_public_one_is_filled_once_and_kept() -> None:
    own = pool_of(PRIVATE, boot=150.0)
    arrivals = poisson(2.0, HOUR, np.random.default_rng(1))

    outcome = simulate(arrivals, world_of(own, pool_of()), LONG.model_copy(update={"boot_seconds": 150.0}))

    assert outcome.attainment(120) >= 0.99
    assert outcome.launches <= 20

"""The fluid engine against what can be worked out by hand."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from burstlens.clouds.base import Billing, Pool
from burstlens.errors import Misconfigured
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.clock import EMPTY_SECONDS, UNANSWERED_SECONDS
from burstlens.simulate.fluid import flow
from burstlens.simulate.outcome import Floats
from burstlens.simulate.world import EC2_BILLING, Duration, SimulatedPool, World

TICK = 5.0
OPTIONS = ScalingOptions(max_instances=100_000, launches_per_minute=100_000)
PUBLIC = SimulatedPool(Pool("public", "ec2", cap=100_000, order=1, price_per_hour=0.36, billing=EC2_BILLING))
PRIVATE = SimulatedPool(Pool("private", "openstack", cap=4, order=0))
ALONE = World(pools=(PUBLIC,))
BOTH = World(pools=(PUBLIC, PRIVATE))


@dataclass
class Scripted:
    """A policy that answers by rote, and keeps what it saw."""

    answer: Callable[[Observation], int]
    seen: list[Observation] = field(default_factory=list)

    def desired(self, observation: Observation) -> int:
        self.seen.append(observation)
        return self.answer(observation)

    def at(self, tick: int) -> Observation:
        return self.seen[tick]


def while_needed(count: int) -> Scripted:
    """From the first request until nothing is left."""
    return Scripted(lambda seen: count if seen.depth else 0)


def steady(rate: float, seconds: float) -> Floats:
    return np.full(round(seconds / TICK), rate * TICK)


def test_a_burst_is_served_at_the_fleets_rate_from_the_end_of_the_boot_on() -> None:
    outcome = flow(np.array([1000.0]), ALONE, OPTIONS, while_needed(20))

    # Seen and launched at 5 s, ready at 50 s, then 40 each second for 25 s, and the last one takes 0.5 s.
    assert outcome.latencies[-1] == pytest.approx(75.5 - 5, abs=0.1)
    assert outcome.percentile(0.5) == pytest.approx(63 - 2.5, abs=0.1)
    assert outcome.billed_seconds == 20 * 75, "idle at 80 s, the first tick after the last answer"
    assert outcome.money == pytest.approx(20 * 75 * 0.36 / 3600)
    assert (outcome.requests, outcome.unanswered, outcome.launches, outcome.peak) == (1000, 0, 20, 20)


def test_a_steady_stream_waits_for_nothing_and_has_the_depth_of_littles_law() -> None:
    policy = while_needed(60)
    outcome = flow(steady(100, 1200), ALONE, OPTIONS, policy)

    assert outcome.percentile(0.5) == 0.5
    late = policy.at(200)
    assert (late.running, late.busy) == (60, 50)
    assert np.mean([seen.depth for seen in policy.seen[150:240]]) == pytest.approx(50, abs=2)
    assert np.std([seen.depth for seen in policy.seen[150:240]]) == pytest.approx(math.sqrt(50), rel=0.3), "by chance"
    assert late.in_flight == late.depth
    assert late.traffic.arrived == pytest.approx(100 * TICK)
    assert late.traffic.seconds == TICK


def test_a_fleet_that_is_too_small_leaves_requests_unanswered_when_the_run_is_broken_off() -> None:
    outcome = flow(steady(10, 1000), ALONE, OPTIONS, while_needed(1))

    assert outcome.timeline.at[-1] == 1000 + UNANSWERED_SECONDS - TICK
    assert outcome.unanswered == pytest.approx(10_000 - (4600 - 50) * 2, abs=3)
    assert outcome.attainment(math.inf) == pytest.approx(9100 / 10_000, abs=0.001)
    assert outcome.billed_seconds == 4600 - 5


def test_a_standing_fleet_is_billed_for_a_while_after_the_last_answer() -> None:
    outcome = flow(np.array([10.0]), ALONE, OPTIONS, Scripted(lambda _: 5))

    answered_at = 50
    assert outcome.billed_seconds == pytest.approx(5 * (answered_at + EMPTY_SECONDS), rel=0.01)


def test_r15_standby_instances_and_the_least_and_most_are_kept_whatever_the_policy_wants() -> None:
    options = OPTIONS.model_copy(update={"standby": 3, "min_instances": 2, "max_instances": 8})
    policy = Scripted(lambda seen: 20 if seen.depth > 100 else 0)
    outcome = flow(np.array([0.0] * 20 + [1000.0] + [0.0] * 50), ALONE, options, policy)

    assert (policy.at(15).running, policy.at(15).instances) == (0, 0), "the policy is not shown what stands by"
    instances = outcome.timeline.instances["public"]
    assert (instances[15], instances.max(), instances[-1]) == (3, 8, 3)


def test_no_more_are_launched_in_a_minute_than_settings_allow() -> None:
    options = OPTIONS.model_copy(update={"launches_per_minute": 10})
    outcome = flow(np.array([10_000.0]), BOTH, options, while_needed(25))

    total = np.sum(list(outcome.timeline.instances.values()), axis=0)
    assert [int(total[tick]) for tick in (1, 12, 13, 24, 25, 40)] == [10, 10, 20, 20, 25, 25]


def test_a_budget_is_refused_since_it_cannot_be_kept() -> None:
    with pytest.raises(Misconfigured, match="knows no budgets"):
        flow(np.array([1.0]), ALONE, ScalingOptions(budget_per_day=1))


def test_r4_only_what_is_idle_goes() -> None:
    policy = Scripted(lambda seen: 80 if seen.at - policy.seen[0].at < 300 else 0)
    outcome = flow(steady(100, 600), ALONE, OPTIONS, policy)

    instances = outcome.timeline.instances["public"]
    assert instances[59] == 80
    assert instances[60:119].tolist() == [50] * 59, "100 requests of 0.5 s each second keep 50 busy"
    assert outcome.unanswered == 0
    assert outcome.latencies[-1] < 50
    assert np.quantile(outcome.latencies, 0.92) > 0.5 > outcome.percentile(0.5) - 1e-9


def test_r1_what_boots_is_counted_and_not_sent_away_while_there_is_work() -> None:
    policy = Scripted(lambda seen: 10 if seen.depth and not seen.instances else 0)
    outcome = flow(np.array([200.0]), ALONE, OPTIONS, policy)

    assert outcome.launches == 10
    assert (policy.at(2).pending, policy.at(2).running) == (10, 0)
    assert policy.at(2).cohorts[0].age_seconds == TICK
    assert outcome.unanswered == 0


def test_the_private_pool_is_filled_first_and_emptied_last() -> None:
    sizes = iter([0, 10, *[10] * 10, *[6] * 5, *[2] * 5])
    policy = Scripted(lambda seen: next(sizes, 0))
    outcome = flow(steady(0.02, 150), BOTH, OPTIONS, policy)
    pools = outcome.timeline.instances

    assert [prospect.name for prospect in policy.at(0).prospects] == ["private", "public"]
    assert (pools["private"][1], pools["public"][1]) == (4, 6)
    assert (pools["private"][12], pools["public"][12]) == (4, 2)
    assert (pools["private"][18], pools["public"][18]) == (2, 0)
    assert outcome.money == pytest.approx((4 * 60 + 2 * 80) * 0.36 / 3600), "the private one is free"


@pytest.mark.parametrize(
    ("world", "options", "most"),
    [
        (ALONE, OPTIONS.model_copy(update={"max_instances": 30}), 30),
        (World(pools=(PRIVATE,)), OPTIONS, 4),
        (World(pools=(replace(PUBLIC, quota=7),)), OPTIONS, 7),
    ],
)
def test_r2_the_cap_of_settings_pool_and_quota_holds(world: World, options: ScalingOptions, most: int) -> None:
    assert flow(np.array([1000.0]), world, options, while_needed(50)).peak == most


def test_r11_a_pool_without_capacity_is_left_alone_for_a_while_and_the_next_one_is_asked() -> None:
    world = World(pools=(replace(PRIVATE, capacity_error_share=1.0), PUBLIC))
    policy = while_needed(10)
    outcome = flow(steady(10, 100), world, OPTIONS, policy)

    assert outcome.peak == outcome.timeline.instances["public"].max() == 10
    rooms = [seen.prospects[0].room for seen in policy.seen]
    assert rooms[:3] == [4, 4, 0]
    assert rooms[2:14] == [0] * 11 + [4], "for capacity_cooldown_seconds"


def test_boots_that_vary_bring_capacity_bit_by_bit() -> None:
    world = World(pools=(replace(PUBLIC, boot=Duration(45, 0.3, 30, 90)),))
    policy = while_needed(100)
    flow(np.array([10_000.0]), world, OPTIONS, policy)
    running = [seen.running for seen in policy.seen[:20]]

    assert running[5] == 0
    assert 0 < running[9] < running[11] < running[14] < 100 == running[19]
    assert all(seen.pending + seen.running == sum(c.count for c in seen.cohorts) for seen in policy.seen)


def test_services_that_vary_show_in_the_latencies() -> None:
    world = World(pools=(replace(PUBLIC, boot=Duration(0), service=Duration(0.5, 0.5)),))
    outcome = flow(steady(1000, 2000), world, OPTIONS, while_needed(1000))

    assert outcome.percentile(0.5) == pytest.approx(0.5, rel=0.05)
    assert outcome.percentile(0.9) == pytest.approx(0.5 * math.exp(0.5 * 1.2816), rel=0.05)


def test_each_pool_serves_its_share_of_what_the_fleet_can_do() -> None:
    slow = SimulatedPool(Pool("slow", "openstack", cap=100), service=Duration(2.0))
    fast = SimulatedPool(Pool("fast", "openstack", cap=100), service=Duration(0.5))
    outcome = flow(steady(150, 2000), World(pools=(slow, fast)), OPTIONS, while_needed(200))

    calm = outcome.latencies[outcome.latencies <= 2.0]
    assert (calm == 2.0).mean() == pytest.approx(50 / 250, abs=0.02)


def test_the_depth_may_be_old_and_wrong() -> None:
    late, wrong, right = while_needed(9), while_needed(9), while_needed(9)
    flow(steady(10, 100), replace(ALONE, depth_lag_seconds=10), OPTIONS, late)
    flow(steady(10, 100), replace(ALONE, depth_error_share=0.5), OPTIONS, wrong)
    flow(steady(10, 100), ALONE, OPTIONS, right)

    assert [seen.depth for seen in right.seen[:4]] == [0, 50, 100, 150]
    assert [seen.depth for seen in late.seen[:4]] == [0, 0, 0, 50]
    depths = [seen.depth for seen in wrong.seen[:4]]
    assert depths != [0, 50, 100, 150]
    assert 75 <= depths[3] <= 225


def test_a_policy_knows_a_boot_and_a_speed_once_they_were_seen() -> None:
    world = World(pools=(replace(PUBLIC, boot=Duration(20), service=Duration(0.25)),))
    policy = while_needed(9)
    flow(steady(10, 100), world, OPTIONS, policy)

    assert [(p.boot_seconds, p.service_seconds) for p in policy.at(1).prospects] == [(45, 0.5)]
    assert [(p.boot_seconds, p.service_seconds) for p in policy.at(8).prospects] == [(20, 0.25)]


def test_what_is_paid_by_the_hour_is_billed_by_the_hour() -> None:
    hourly = SimulatedPool(Pool("public", "ec2", cap=9, price_per_hour=1.0, billing=Billing(3600)))
    until = Scripted(lambda seen: 2 if seen.at - until.seen[0].at < 4000 else 0)
    outcome = flow(steady(1, 4000), World(pools=(hourly,)), OPTIONS, until)

    assert outcome.money == 4
    assert outcome.timeline.money[100] == 2


def test_the_timeline_has_every_tick() -> None:
    outcome = flow(np.array([10.0, 0.0, 20.0]), ALONE, OPTIONS, while_needed(5))
    timeline = outcome.timeline

    assert timeline.at.tolist() == [TICK * tick for tick in range(len(timeline.at))]
    assert timeline.arrivals[:4].tolist() == [0, 10, 0, 20]
    assert timeline.backlog[:4].tolist() == [0, 10, 10, 30]
    assert timeline.backlog[-1] == 0
    assert (np.diff(timeline.money) >= 0).all()
    assert timeline.money[-1] == pytest.approx(outcome.money)


def test_fractions_of_requests_are_fine() -> None:
    outcome = flow(np.full(100, 0.3), ALONE, OPTIONS, while_needed(1))

    assert (outcome.requests, outcome.unanswered) == (30, 0)


def test_nothing_comes_of_nothing() -> None:
    outcome = flow(np.zeros(0), ALONE, OPTIONS)

    assert (outcome.requests, outcome.billed_seconds, outcome.peak, len(outcome.latencies)) == (0, 0, 0, 0)
    assert outcome.attainment(30) == 1


def test_the_policy_is_the_one_that_settings_name() -> None:
    outcome = flow(np.array([10.0]), ALONE, ScalingOptions())

    assert (outcome.policy, outcome.launches) == ("queue-ratio", 5)
    with pytest.raises(Misconfigured, match="there is no policy 'nonsense'"):
        flow(np.array([10.0]), ALONE, ScalingOptions(policy="nonsense"))


@pytest.mark.parametrize("counts", [[-1.0], [math.nan], [math.inf], [[1.0]]])
def test_arrivals_that_make_no_sense_are_refused(counts: list[float]) -> None:
    with pytest.raises(ValueError, match="one row of finite numbers, 0 or more"):
        flow(np.array(counts), ALONE, OPTIONS)

"""The fluid engine against the event engine, which serves each request under the real autoscaler.

They differ by nature where chance among few requests decides: see the last tests. Policies that flip on the noise of a
single depth, as the classic does at a steady load, swing at other times in each engine; so they are compared where they
do not swing.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from burstlens.clouds.base import Pool
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.policy.deadline import Deadline
from burstlens.scaling.policy.queue_ratio import QueueRatio
from burstlens.simulate.arrivals import Spikes, burst, counts, diurnal, on_off, poisson, ramp
from burstlens.simulate.event import simulate
from burstlens.simulate.fluid import flow
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import EC2_BILLING, Duration, SimulatedPool, World

OPTIONS = ScalingOptions(max_instances=200, launches_per_minute=1000)
PUBLIC = SimulatedPool(Pool("public", "ec2", cap=200, order=1, price_per_hour=0.085, billing=EC2_BILLING))
PRIVATE = SimulatedPool(Pool("private", "openstack", cap=4, order=0))
CALM = World(pools=(PRIVATE, PUBLIC))
ROUGH = World(
    pools=(
        PRIVATE,
        replace(
            PUBLIC,
            pending_seconds=5,
            boot=Duration(45, 0.3, 30, 90),
            service=Duration(0.5, 0.5),
            interruptions_per_hour=1.0,
        ),
    ),
    depth_lag_seconds=5,
    seed=1,
)


@dataclass
class Follow:
    """Enough for the smoothed arrival rate and a sixth more, and for what waits to be done in 45 s."""

    rate: float = 0.0

    def desired(self, observation: Observation) -> int:
        traffic = observation.traffic
        if traffic.seconds:
            self.rate += 0.2 * (traffic.arrived / traffic.seconds - self.rate)
        if self.rate < 0.05 and not observation.depth:
            return 0
        return math.ceil(0.5 * self.rate * 7 / 6 + observation.depth / 90)


@dataclass(frozen=True)
class Fixed:
    """Always so many, until nothing is left to do."""

    count: int
    until: float

    def desired(self, observation: Observation) -> int:
        return self.count if observation.depth or observation.at % 86400 < self.until else 0


def both(
    arrivals: Floats, world: World, policy: Callable[[], Policy], options: ScalingOptions = OPTIONS
) -> tuple[Outcome, Outcome]:
    """Event, fluid."""
    ticks = counts(arrivals, options.tick_seconds)
    return simulate(arrivals, world, options, policy()), flow(ticks, world, options, policy())


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


SCENARIOS = {
    # In the middle of a tick, since the fluid engine spreads what comes in one evenly over it.
    "burst": burst(1000, at=97.5),
    "steady": poisson(60, 600, rng()),
    "ramp": ramp(0, 60, 900, rng()),
    "on and off": on_off(40, 120, 300, 1200, rng()),
    "days with spikes": diurnal(20, 2400, rng(), period=1200, spikes=Spikes(2, 30, 3)),
}


@pytest.mark.parametrize("world", [CALM, ROUGH], ids=["calm", "rough"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_policy_that_follows_the_load_costs_and_serves_the_same(scenario: str, world: World) -> None:
    event, fluid = both(SCENARIOS[scenario], world, Follow)

    assert_alike(event, fluid)


@pytest.mark.parametrize("scenario", ["burst", "on and off"])
def test_the_classic_costs_and_serves_the_same_in_bursts(scenario: str) -> None:
    options = OPTIONS.model_copy(update={"max_instances": 19})
    event, fluid = both(SCENARIOS[scenario], CALM, lambda: QueueRatio.from_options(options), options)

    assert_alike(event, fluid)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_deadline_costs_and_serves_the_same_where_boots_take_the_same_time(scenario: str) -> None:
    options = OPTIONS.model_copy(update={"deadline_seconds": 120.0})
    event, fluid = both(SCENARIOS[scenario], CALM, lambda: Deadline.from_options(options), options)

    assert_alike(event, fluid)
    assert fluid.attainment(120) == pytest.approx(event.attainment(120), abs=0.01)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_deadline_costs_the_same_and_misses_as_many_with_a_deadline_shorter_than_a_boot(scenario: str) -> None:
    options = OPTIONS.model_copy(update={"deadline_seconds": 30.0})
    event, fluid = both(SCENARIOS[scenario], CALM, lambda: Deadline.from_options(options), options)

    assert fluid.billed_seconds == pytest.approx(event.billed_seconds, rel=0.05)
    assert fluid.attainment(30) == pytest.approx(event.attainment(30), abs=0.01)


def assert_alike(event: Outcome, fluid: Outcome) -> None:
    # Both decide once a tick. A decision that falls into the next tick moves everybody who waits by one.
    tick_seconds = OPTIONS.tick_seconds
    assert fluid.requests == event.requests
    assert (fluid.unanswered, event.unanswered) == (0, 0)
    assert fluid.billed_seconds == pytest.approx(event.billed_seconds, rel=0.05)
    assert fluid.money == pytest.approx(event.money, rel=0.05)
    assert fluid.peak == pytest.approx(event.peak, rel=0.1)
    for share in (0.5, 0.9, 0.99):
        assert fluid.percentile(share) == pytest.approx(event.percentile(share), abs=tick_seconds), share
    assert fluid.mean_seconds == pytest.approx(event.mean_seconds, abs=tick_seconds / 2)


def test_with_many_instances_nobody_waits_by_chance_in_either() -> None:
    arrivals = poisson(90, 600, rng())
    arrivals = arrivals[arrivals > 120]
    event, fluid = both(arrivals, CALM, lambda: Fixed(60, until=600))

    assert event.percentile(0.99) == pytest.approx(0.5, abs=0.02)
    assert fluid.percentile(0.99) == pytest.approx(0.5, abs=0.02)


def test_with_few_instances_only_single_requests_wait_by_chance() -> None:
    arrivals = poisson(2, 2400, rng())
    arrivals = arrivals[arrivals > 120]
    event, fluid = both(arrivals, CALM, lambda: Fixed(2, until=2400))

    assert event.billed_seconds == pytest.approx(fluid.billed_seconds, rel=0.01)
    assert event.percentile(0.99) > 1.2, "at half of what two can do"
    assert fluid.percentile(0.99) < 1.0

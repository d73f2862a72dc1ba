"""What a week at 10,000 requests per second costs in the fluid engine: CPU time on one core, by policy.

Beside it, in the same run, the event engine on an hour at 20 requests per second, to which the fluid engine is checked:
requests per CPU second of both, and how far their bills are apart.
"""

import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import structlog

from burstlens.clouds.base import Pool
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy import POLICIES
from burstlens.scaling.policy.base import Policy
from burstlens.simulate.arrivals import counts, diurnal
from burstlens.simulate.event import simulate
from burstlens.simulate.fluid import flow
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import EC2_BILLING, SimulatedPool, World

MOST_SECONDS = 60.0
"""CPU time of a week that was set as the target."""
TICKS = 7 * 17_280
WORLD = World(
    pools=(
        SimulatedPool(Pool("private", "openstack", cap=400, order=0)),
        SimulatedPool(Pool("public", "ec2", cap=20_000, order=1, price_per_hour=0.085, billing=EC2_BILLING)),
    )
)
OPTIONS = ScalingOptions(max_instances=20_000, launches_per_minute=100_000, scale_out_divisor=1, scale_in_divisor=1)


class Follow:
    """Enough for what came in the last tick and a tenth more: it changes the fleet in nearly every tick."""

    def desired(self, observation: Observation) -> int:
        """See the port."""
        traffic = observation.traffic
        rate = traffic.arrived / traffic.seconds if traffic.seconds else 0.0
        return math.ceil(0.5 * rate * 1.1 + observation.depth / 90)


def main() -> None:
    """Measure and print."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    rng = np.random.default_rng(1)
    at = np.arange(TICKS) * OPTIONS.tick_seconds
    week = rng.poisson(50_000 * (1 - 0.5 * np.cos(2 * np.pi * at / 86_400))).astype(np.float64)
    print(f"a week at 10,000 requests/s, {TICKS:,} ticks, at most {MOST_SECONDS:g} s of CPU")
    policies: dict[str, Policy] = {"follow": Follow()}
    policies |= {name: make(OPTIONS) for name, make in POLICIES.items() if name != "schedule"}
    for name, policy in policies.items():
        seconds, outcome = timed(partial(flow, week, WORLD, OPTIONS, policy))
        tick_seconds = seconds / len(outcome.timeline.at)
        print(
            f"{name:>16}: {seconds:6.1f} s, {seconds / MOST_SECONDS:.2f} of the target, {1e6 * tick_seconds:4.0f} µs a "
            f"tick, {outcome.launches:,} launches, peak {outcome.peak:,}, p99 {outcome.percentile(0.99):.2f} s"
        )
    compare(diurnal(20, 3600, rng, period=3600))


def compare(hour: Floats) -> None:
    """Both engines on the same hour."""
    event_seconds, event = timed(partial(simulate, hour, WORLD, OPTIONS, Follow()))
    fluid_seconds, fluid = timed(partial(flow, counts(hour, OPTIONS.tick_seconds), WORLD, OPTIONS, Follow()))
    print(
        f"an hour at 20 requests/s: event {len(hour) / event_seconds:,.0f} and fluid {len(hour) / fluid_seconds:,.0f} "
        f"requests per CPU second; bill fluid / event {fluid.billed_seconds / event.billed_seconds:.3f}"
    )


def timed(run: Callable[[], Outcome]) -> tuple[float, Outcome]:
    """CPU seconds, and what came of them."""
    began = time.process_time()
    outcome = run()
    return time.process_time() - began, outcome


if __name__ == "__main__":
    main()

"""The least that a scenario costs, whoever decides. Needs the extra `simulate`."""

import math

from burstlens.simulate.arrivals import counts
from burstlens.simulate.oracle import Bound, Supply, lower_bound
from burstlens.simulate.study import Scenario
from burstlens.simulate.world import Duration

MOST_STEPS = 20_000
"""Of the linear program: seconds of work. A longer scenario gets longer steps, which make the bound lower."""


def bound(scenario: Scenario) -> Bound:
    """What any policy pays that answers as many requests in time as is asked for, even one that knows all arrivals.

    Where boots vary, the shortest possible one is taken, so that the bound is one.

    Raises:
        Misconfigured: the extra is not installed.
    """
    options, pools = scenario.options, scenario.world.pools
    last = float(scenario.arrivals[-1]) if len(scenario.arrivals) else 0.0
    step_seconds = options.tick_seconds * max(1, math.ceil(last / options.tick_seconds / MOST_STEPS))
    return lower_bound(
        counts(scenario.arrivals, step_seconds),
        step_seconds,
        service_seconds=min(each.service.median_seconds for each in pools),
        boot_seconds=min(_shortest(each.boot) for each in pools),
        deadline_seconds=options.deadline_seconds,
        pools=[Supply(each.pool.cap, each.pool.price_per_hour, each.pool.billing.minimum_seconds) for each in pools],
        attainment=options.attainment,
    )


def _shortest(duration: Duration) -> float:
    return duration.least_seconds if duration.sigma else duration.median_seconds

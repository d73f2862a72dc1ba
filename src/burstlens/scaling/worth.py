"""What waiting and instances are worth beside each other, in the unit of the pools' prices. Pure."""

import math

from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.options import ScalingOptions


def worth_launching(observation: Observation, pool: Prospect, options: ScalingOptions) -> int:
    """How many instances are worth their price to those who wait; 0 while that is not so yet.

    m instances work off b requests in b·S/m seconds, in which half of them wait on average: m·M·p + w·b²·S / 2m is
    least at m = b·√(w·S / 2·M·p). And, as with a pair of skis, they are bought once what was paid for doing without
    (the waiting so far) has cost as much as they do. S is the seconds of a request, M those paid for a launch, p and w
    the prices of an instance and of waiting.
    """
    waiting_price, depth = options.waiting_price_per_hour, observation.depth
    if not depth:
        return 0
    launch_seconds = max(pool.billing.minimum_seconds, pool.boot_seconds, options.tick_seconds)
    if not pool.price_per_hour:
        # Where an instance costs nothing, nobody is to wait for one longer than for its boot.
        return math.ceil(depth * pool.service_seconds / launch_seconds)
    if not waiting_price:
        return 0
    waited = sum(wave.count * (observation.at - wave.at) for wave in observation.traffic.backlog)
    count = depth * math.sqrt(waiting_price * pool.service_seconds / (2 * launch_seconds * pool.price_per_hour))
    launches = max(1, round(count))
    if launches <= observation.instances or waited * waiting_price < launch_seconds * pool.price_per_hour:
        return 0
    return launches


def worth_keeping(load: float, pool: Prospect, waiting_price_per_hour: float) -> int:
    """How many are worth keeping for a load of so many instances: where n·p + w·ρ/(n − ρ) is least, ρ + √(ρ·w/p)."""
    if not waiting_price_per_hour or not pool.price_per_hour:
        return 0
    return math.floor(load + math.sqrt(load * waiting_price_per_hour / pool.price_per_hour) + 0.5)


def haste_seconds(observation: Observation, pool: Prospect, slack_seconds: float, needed: int) -> float:
    """For how many of the seconds that a launch might wait it is not worth waiting here.

    Who waits to the last where it is cheap may need more at once than is cheap: the nearer the cheap pool is to its
    end, the sooner it is used.
    """
    dearest = max((each.price_per_hour for each in observation.prospects if each.room > 0), default=0.0)
    if slack_seconds <= 0 or pool.price_per_hour >= dearest:
        return 0.0
    used = min(1.0, (observation.instances + needed) / (observation.instances + pool.room))
    return slack_seconds * (1.0 - pool.price_per_hour / dearest) * used

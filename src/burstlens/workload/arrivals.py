"""When the requests of a workload start, as offsets in seconds from its beginning. Pure."""

import random


def closed(count: int) -> tuple[float, ...]:
    """`count` requests that are all wanted at once: the concurrency limit of the run spaces them (closed loop)."""
    return (0.0,) * count


def poisson(count: int, rate_per_second: float, rng: random.Random) -> tuple[float, ...]:
    """`count` arrivals of a Poisson process (open loop): independent exponential gaps with mean 1 / rate, in seconds.

    Raises:
        ValueError: the rate is not above 0.
    """
    if not rate_per_second > 0:
        message = f"an arrival rate must be above 0 per second, not {rate_per_second:g}"
        raise ValueError(message)
    offsets = []
    now = 0.0
    for _ in range(count):
        now += rng.expovariate(rate_per_second)
        offsets.append(now)
    return tuple(offsets)

"""Bounds and bills that need no solver: of a burst, of somebody having to be there at all, of starting with nothing."""

import math

import numpy as np

from burstlens.simulate.outcome import Floats

MINIMUM_SECONDS = 60.0
"""What EC2 bills for each launch at least, of Linux per second."""


def burst_seconds(requests: int, instances: int, service_seconds: float, boot_seconds: float) -> float:
    """From the launch of all instances to the last answer, for requests that wait already."""
    return boot_seconds + math.ceil(requests / instances) * service_seconds


def burst_billed(
    requests: int,
    instances: int,
    service_seconds: float,
    boot_seconds: float,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> float:
    """Billed seconds of the same when all instances stay until the last answer."""
    return instances * max(minimum_seconds, burst_seconds(requests, instances, service_seconds, boot_seconds))


def burst_knee(
    requests: int, service_seconds: float, boot_seconds: float, minimum_seconds: float = MINIMUM_SECONDS
) -> float:
    """Instances that a burst fills for just their paid minimum; infinite if a boot takes as long as that.

    Below it one more costs its boot, above it its whole minimum: Q · S ÷ (minimum − boot).
    """
    usable = minimum_seconds - boot_seconds
    return requests * service_seconds / usable if usable > 0 else math.inf


def work_billed(
    requests: float,
    launches: int,
    service_seconds: float,
    boot_seconds: float,
    minimum_seconds: float = MINIMUM_SECONDS,
) -> float:
    """The least billed seconds of so many launches that serve so many requests, whenever they come."""
    return max(launches * minimum_seconds, requests * service_seconds + launches * boot_seconds)


def presence_billed(
    counts: Floats,
    step_seconds: float,
    *,
    service_seconds: float,
    boot_seconds: float,
    deadline_seconds: float,
    minimum_seconds: float = MINIMUM_SECONDS,
    late: int = 0,
) -> float:
    """The least seconds in which at least one instance is paid for: what binds where requests are few.

    An unbroken presence whose first request in time is i and whose last is j starts a boot and a service before i's
    deadline and ends a service after j's arrival, so it takes at least ``max(minimum, boot + service, a_j − a_i +
    2·service + boot − deadline)``. Which runs of requests share a presence is chosen by dynamic programming. A
    request may be late at a price for each; with `late` of them free of it, every such price gives a lower bound
    (Lagrange), and the best one is looked for.

    Args:
        counts: requests in each step; within it, each may have come at the moment that suits best.
        step_seconds: length of a step.
        service_seconds: of one request.
        boot_seconds: billed, before an instance serves.
        deadline_seconds: from a request's arrival to its answer.
        minimum_seconds: billed for each launch at least.
        late: requests that may miss the deadline.
    """
    steps = np.flatnonzero(counts)
    weights = counts[steps].tolist()
    shortest = max(minimum_seconds, boot_seconds + service_seconds)
    around = 2 * service_seconds + boot_seconds - deadline_seconds - step_seconds
    times = (steps * step_seconds).tolist()
    if not late:
        return _presence(times, weights, shortest, around, math.inf)

    def priced(price: float) -> float:
        return _presence(times, weights, shortest, around, price) - price * late

    # Concave in the price, so by golden section; an own presence for one request never costs more than `shortest`.
    low, high, share = 0.0, shortest, (math.sqrt(5) - 1) / 2
    left, right = high - share * high, share * high
    value_left, value_right = priced(left), priced(right)
    best = max(0.0, priced(high), value_left, value_right)
    for _ in range(20):
        if value_left < value_right:
            low, left, value_left = left, right, value_right
            right = low + share * (high - low)
            value_right = priced(right)
        else:
            high, right, value_right = right, left, value_left
            left = high - share * (high - low)
            value_left = priced(left)
        best = max(best, value_left, value_right)
    return best


def unreachable_share(
    arrivals: Floats,
    boot_seconds: float,
    service_seconds: float,
    deadline_seconds: float,
    standby: int = 0,
    tick_seconds: float = 0.0,
) -> float:
    """The share of requests that any policy misses which launches nothing before the first request came.

    Nothing launched after the first arrival answers before a boot and a service have passed, so whoever's deadline ends
    by then is missed, but for what `standby` instances serve meanwhile.

    Args:
        arrivals: seconds, ascending.
        boot_seconds: from the launch until an instance serves.
        service_seconds: of one request.
        deadline_seconds: from a request's arrival to its answer.
        standby: instances that are ready from the start.
        tick_seconds: how long after the first arrival the policy looks for the first time.
    """
    if not len(arrivals):
        return 0.0
    first_answer = tick_seconds + boot_seconds + service_seconds
    early = np.searchsorted(arrivals, arrivals[0] + first_answer - deadline_seconds, side="left")
    if deadline_seconds < service_seconds:
        return 1.0
    by_standby = standby * math.floor(first_answer / service_seconds)
    return float(max(0, int(early) - by_standby)) / len(arrivals)


def _presence(times: list[float], weights: list[float], shortest: float, around: float, price: float) -> float:
    """The cheapest mix of presences and late requests at a price for each; `around` is added to a presence's span."""
    costs = [0.0]
    first = 0  # of the requests that a presence of the shortest length can still share with this one
    earlier = math.inf  # the cheapest start among those before, without the time until now
    for now, weight in zip(times, weights, strict=True):
        while now - times[first] + around > shortest:
            earlier = min(earlier, costs[first] - times[first])
            first += 1
        here = min(costs[first] + shortest, earlier + now + around)
        costs.append(min(here, costs[-1] + price * weight))
    return costs[-1]

"""What machines cost: pure arithmetic over the times from which and until which they were there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from burstlens.clouds.base import Billing, Pool
from burstlens.simulate.outcome import Floats

_SECONDS_PER_HOUR = 3600.0
_SLACK = 1e-6
"""Of an increment: sums of floating-point seconds must not start a new one."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One machine, from its launch to its end; seconds since the start of the run."""

    pool: str
    launched_at: float
    running_at: float
    """From here on it is billed, so one that ended before costs nothing."""
    ended_at: float


def billed(seconds: Floats, billing: Billing) -> Floats:
    """What is billed for machines that have been running for so many seconds; nothing below 0 seconds."""
    started = np.ceil(seconds / billing.increment_seconds - _SLACK) * billing.increment_seconds
    return np.where(seconds < 0, 0.0, np.maximum(billing.minimum_seconds, started))


def billed_seconds(stays: Iterable[Stay], pool: Pool) -> float:
    """What is billed in one pool once all have ended."""
    mine = [stay.ended_at - stay.running_at for stay in stays if stay.pool == pool.name]
    return float(billed(np.array(mine, dtype=np.float64), pool.billing).sum())


def money(billed_by_pool: Sequence[float], pools: Sequence[Pool]) -> float:
    """The price of so many billed seconds, in the unit of the pools' prices."""
    return sum(
        seconds * pool.price_per_hour / _SECONDS_PER_HOUR for seconds, pool in zip(billed_by_pool, pools, strict=True)
    )


def money_at(at: Floats, stays: Iterable[Stay], pools: Sequence[Pool]) -> Floats:
    """Billed so far at each of these ascending moments."""
    by_name = {pool.name: pool for pool in pools}
    so_far = np.zeros(len(at))
    settled = np.zeros(len(at) + 1)
    for stay in stays:
        pool = by_name[stay.pool]
        price = pool.price_per_hour / _SECONDS_PER_HOUR
        first, last = np.searchsorted(at, (stay.running_at, stay.ended_at))
        so_far[first:last] += billed(at[first:last] - stay.running_at, pool.billing) * price
        settled[last] += float(billed(np.array([stay.ended_at - stay.running_at]), pool.billing)[0]) * price
    return so_far + np.cumsum(settled[:-1])


def present_at(at: Floats, stays: Iterable[Stay], pool: str) -> Floats:
    """How many machines of a pool exist at each of these ascending moments, pending ones too."""
    steps = np.zeros(len(at) + 1)
    for stay in stays:
        if stay.pool == pool:
            first, last = np.searchsorted(at, (stay.launched_at, stay.ended_at))
            steps[first] += 1
            steps[last] -= 1
    return np.cumsum(steps[:-1])


def peak(stays: Sequence[Stay]) -> int:
    """The most machines that existed at once; one that ends as another begins makes room for it."""
    moments = sorted([(stay.launched_at, 1) for stay in stays] + [(stay.ended_at, -1) for stay in stays])
    most = count = 0
    for _, step in moments:
        count += step
        most = max(most, count)
    return most

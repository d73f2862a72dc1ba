"""All pools of a simulated fleet as cohorts, moved by the production placement's order and guardrails."""

import math
from collections import deque

import numpy as np

from burstlens.errors import CapacityUnavailable
from burstlens.scaling.budget import Allowance
from burstlens.scaling.estimate import typical
from burstlens.scaling.guardrails import refused
from burstlens.scaling.observation import Cohort, Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import fill_order
from burstlens.simulate.cohorts import Cohorts
from burstlens.simulate.world import World

_RATE_SECONDS = 60.0


class CohortFleet:
    """What runs and boots in every pool; times are in seconds since the start."""

    def __init__(self, world: World, options: ScalingOptions, rng: np.random.Generator) -> None:
        self._options = options
        self._rng = rng
        self._by_name = {each.pool.name: Cohorts(each, options.tick_seconds, rng) for each in world.pools}
        self._speeds: dict[str, float] = {}
        self._launched: deque[tuple[float, int]] = deque()
        self.pools: tuple[Cohorts, ...] = ()
        """In the order in which they are filled."""
        self._sort()

    @property
    def pending(self) -> int:
        """Instances that boot."""
        return sum(pool.pending for pool in self.pools)

    @property
    def running(self) -> int:
        """Instances that work, or wait for work."""
        return sum(pool.running for pool in self.pools)

    @property
    def rate(self) -> float:
        """Requests per second that they can do."""
        return sum(pool.rate for pool in self.pools)

    @property
    def launches(self) -> int:
        """So far."""
        return sum(pool.launches for pool in self.pools)

    @property
    def next_ready(self) -> float:
        """When the next of those that boot are ready; infinity without any."""
        return min(pool.next_ready for pool in self.pools)

    def pass_time(self, now: float) -> None:
        """Those whose boot is over run; those that are old merge."""
        for pool in self.pools:
            pool.pass_time(now)

    def interrupt(self, now: float) -> None:
        """Let clouds take back what they take in a tick."""
        for pool in self.pools:
            pool.interrupt(self._options.tick_seconds, now)

    def learn(self) -> None:
        """Measure the speed of the pools that are at work; before that, nobody knows it."""
        new = {pool.name: pool.service_seconds for pool in self.pools if pool.running and pool.name not in self._speeds}
        if new:
            self._speeds |= new
            self._sort()

    def idle(self, utilisation: float) -> int:
        """How many do nothing while this share of the fleet's rate is used: the same share in every pool."""
        return sum(pool.idle(utilisation) for pool in self.pools)

    def seen(self, now: float) -> tuple[Cohort, ...]:
        """What policies see of them."""
        return tuple(cohort for pool in self.pools for cohort in pool.seen(now))

    def beat_age(self, now: float, interval: float) -> float:
        """How old the last heartbeat of one that runs is on average, in seconds."""
        return sum(pool.beat_ages(now, interval) for pool in self.pools) / max(1, self.running)

    def prospects(self, now: float) -> tuple[Prospect, ...]:
        """What policies see of the pools."""
        otherwise = typical(self._speeds.values(), self._options.service_seconds)
        return tuple(
            pool.prospect(self._speeds.get(pool.name, otherwise), self._options.boot_seconds, now)
            for pool in self.pools
        )

    def allowance(self, now: float) -> Allowance:
        """What the launch rate leaves; there are no budgets here."""
        while self._launched and self._launched[0][0] <= now - _RATE_SECONDS:
            self._launched.popleft()
        return Allowance(max(0, self._options.launches_per_minute - sum(count for _, count in self._launched)))

    def grow(self, missing: int, allowance: Allowance, now: float) -> None:
        """Launch so many, as far as cap, rate, pools and clouds allow; what one pool refuses the next one gets."""
        left = min(missing, self._options.max_instances - self.pending - self.running, allowance.launches)
        for pool in self.pools:
            count = min(left, pool.room(now))
            if count <= 0:
                continue
            if self._rng.random() < pool.simulated.capacity_error_share:
                error = CapacityUnavailable("simulated")
                pool.health = refused(pool.health, error, now, self._options)
                continue
            pool.launch(count, now)
            self._launched.append((now, count))
            left -= count

    def shrink(self, surplus: int, utilisation: float, now: float) -> None:
        """End so many, booting ones first, then idle ones, the last pool's before the first's; never busy ones."""
        for pool in reversed(self.pools):
            surplus -= pool.drop_booting(surplus, now)
        for pool in reversed(self.pools):
            surplus -= pool.drop_running(min(surplus, pool.idle(utilisation)), now)

    def billed_seconds(self, now: float) -> float:
        """So far, over all pools."""
        return math.fsum(pool.billed_seconds(now) for pool in self.pools)

    def money(self, now: float) -> float:
        """Billed so far."""
        return math.fsum(pool.billed_seconds(now) * pool.simulated.pool.price_per_hour for pool in self.pools) / 3600

    def _sort(self) -> None:
        order = fill_order([each.simulated.pool for each in self._by_name.values()], self._speeds)
        self.pools = tuple(self._by_name[pool.name] for pool in order)

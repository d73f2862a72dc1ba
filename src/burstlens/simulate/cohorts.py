"""The instances of one simulated pool as cohorts: those that were launched together count as one."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from burstlens.scaling.estimate import Estimate
from burstlens.scaling.guardrails import PoolHealth
from burstlens.scaling.observation import Cohort, Prospect
from burstlens.simulate.bill import billed
from burstlens.simulate.spread import mean_seconds, quantiles
from burstlens.simulate.world import SimulatedPool

_BOOTS = 16
"""Into so many equally likely values the time that a boot takes is divided."""
_OLD_SECONDS = 600.0
"""Instances that are older need no age of their own, as in `burstlens.scaling.knowledge`."""
_ROUNDING = 1e-6


@dataclass(slots=True)
class Group:
    """Instances that are alike."""

    launched: float
    ready: float
    """When their first heartbeat comes."""
    count: int


class Cohorts:
    """One pool's instances; all times are in seconds since the start."""

    def __init__(self, simulated: SimulatedPool, tick_seconds: float, rng: np.random.Generator) -> None:
        pool = simulated.pool
        self.simulated = simulated
        self.health = PoolHealth()
        self.service_seconds = mean_seconds(simulated.service)
        self.estimate = Estimate()
        self.launches = 0
        self.running = 0
        self.pending = 0
        self._cap = pool.cap if simulated.quota is None else min(pool.cap, simulated.quota)
        self._billing = pool.billing
        self._tick_seconds = tick_seconds
        self._coarse = pool.billing.increment_seconds > tick_seconds
        self._old_seconds = max(_OLD_SECONDS, pool.billing.minimum_seconds)
        self._rng = rng
        boots = quantiles(simulated.boot, _BOOTS if simulated.boot.sigma else 1)
        self._boots = [simulated.pending_seconds + float(boot) for boot in boots]
        self._booting: list[Group] = []
        self._young: list[Group] = []
        self._old: dict[float, Group] = {}
        self._settled_seconds = 0.0

    @property
    def name(self) -> str:
        """Of the pool."""
        return self.simulated.pool.name

    @property
    def count(self) -> int:
        """All that exist."""
        return self.running + self.pending

    def room(self, now: float) -> int:
        """How many more may be launched now."""
        return 0 if self.health.is_closed(now) else max(0, self._cap - self.count)

    def idle(self, utilisation: float) -> int:
        """How many do nothing while this share of their rate is used (Little's law)."""
        return self.running - int(self.running * utilisation + 0.5)

    def prospect(self, service_seconds: float, boot_seconds: float, now: float) -> Prospect:
        """What a policy sees of the pool; a boot takes what is assumed before the first was measured."""
        measured = self.estimate.boot_seconds
        pool = self.simulated.pool
        return Prospect(
            name=pool.name,
            boot_seconds=boot_seconds if measured is None else measured,
            service_seconds=service_seconds,
            price_per_hour=pool.price_per_hour,
            billing=pool.billing,
            room=self.room(now),
            slow_boot_seconds=self.estimate.slow_boot_seconds or 0.0,
        )

    def launch(self, count: int, now: float) -> None:
        """Launch so many."""
        self.launches += count
        self.pending += count
        shares = [count] if len(self._boots) == 1 else self._rng.multinomial(count, [1 / _BOOTS] * _BOOTS).tolist()
        for boot, part in zip(self._boots, shares, strict=True):
            if part:
                self._booting.append(Group(now, now + boot, part))

    @property
    def rate(self) -> float:
        """Requests per second that they can do."""
        return self.running / self.service_seconds

    @property
    def next_ready(self) -> float:
        """When the next of those that boot are ready; infinity without any."""
        return min((group.ready for group in self._booting), default=math.inf)

    def pass_time(self, now: float) -> None:
        """Those whose boot is over run; those that are old merge."""
        if self._booting and self.next_ready <= now + _ROUNDING:
            ready = [group for group in self._booting if group.ready <= now + _ROUNDING]
            self._booting = [group for group in self._booting if group.ready > now + _ROUNDING]
            self._young += ready
            self._young.sort(key=lambda group: group.launched)
            for group in ready:
                self.running += group.count
                self.pending -= group.count
                self.estimate = self.estimate.after_boots(itertools.repeat(group.ready - group.launched, group.count))
        while self._young and now - self._young[0].launched > self._old_seconds:
            self._merge(self._young.pop(0))

    def drop_booting(self, count: int, now: float) -> int:
        """End up to `count` of those that boot, the last launched first; return how many."""
        ended = self._end(sorted(self._booting, key=lambda group: -group.launched), count, now)
        self.pending -= ended
        return ended

    def drop_running(self, count: int, now: float) -> int:
        """End up to `count` of those that run, first those that are not paid for any further; return how many."""
        groups = sorted(self._running(), key=lambda group: (self._paid_seconds_left(group, now), -group.launched))
        ended = self._end(groups, count, now)
        self.running -= ended
        return ended

    def interrupt(self, seconds: float, now: float) -> None:
        """Let the cloud take back what it takes in such a time."""
        per_hour = self.simulated.interruptions_per_hour
        if per_hour and self.running:
            taken = int(self._rng.binomial(self.running, -math.expm1(-per_hour * seconds / 3600)))
            self.running -= self._end(list(self._running()), taken, now)

    def seen(self, now: float) -> Iterator[Cohort]:
        """What a policy sees of them, the oldest first."""
        for group in self._old.values():
            age_seconds = now - group.launched if self._coarse else self._old_seconds
            yield Cohort(self.name, group.count, age_seconds, booting=False)
        for group in self._young:
            yield Cohort(self.name, group.count, now - group.launched, booting=False)
        for group in self._booting:
            yield Cohort(self.name, group.count, now - group.launched, booting=True)

    def beat_ages(self, now: float, interval: float) -> float:
        """How old the last heartbeats of those that run are, in seconds, over all: each beats from its first one on."""
        return sum(group.count * ((now - group.ready + _ROUNDING) % interval) for group in self._running())

    def billed_seconds(self, now: float) -> float:
        """Over all instances there ever were, those that exist included."""
        groups = (*self._old.values(), *self._young, *self._booting)
        return self._settled_seconds + self._bill(groups, [group.count for group in groups], now)

    def _running(self) -> Iterator[Group]:
        yield from self._old.values()
        yield from self._young

    def _merge(self, group: Group) -> None:
        """Into an older one that is paid for at the same moments; what it is younger by is taken off the bill."""
        phase = round(group.launched % self._billing.increment_seconds, 3) if self._coarse else 0.0
        older = self._old.setdefault(phase, group)
        if older is not group:
            older.count += group.count
            self._settled_seconds -= group.count * (group.launched - older.launched)

    def _end(self, groups: Sequence[Group], count: int, now: float) -> int:
        """End up to `count`, in this order."""
        left = count
        parts: list[int] = []
        for group in groups:
            part = min(left, group.count)
            parts.append(part)
            left -= part
            group.count -= part
        self._settled_seconds += self._bill(groups, parts, now)
        self._booting = [group for group in self._booting if group.count]
        self._young = [group for group in self._young if group.count]
        self._old = {phase: group for phase, group in self._old.items() if group.count}
        return count - left

    def _bill(self, groups: Sequence[Group], counts: Sequence[int], now: float) -> float:
        """Billed seconds if so many of each group end now."""
        started = now - self.simulated.pending_seconds
        seconds = billed(np.array([started - group.launched for group in groups]), self._billing)
        return float(seconds @ np.array(counts, dtype=np.float64))

    def _paid_seconds_left(self, group: Group, now: float) -> float:
        return self._billing.paid_seconds_left(now - group.launched, self._tick_seconds)

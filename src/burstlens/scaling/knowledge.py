"""The autoscaler's memory: what it has seen from tick to tick, as one value for policies. No I/O."""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence

from burstlens.clouds.base import Pool
from burstlens.scaling.estimate import Estimate, booted_within, processes, told_by_pool, typical
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.observation import Cohort, Observation, Prospect
from burstlens.scaling.observer import Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import fill_order
from burstlens.scaling.tally import Lap, Tally, Vanished
from burstlens.scaling.traffic import Traffic

_OLD_SECONDS = 600.0
"""Instances that run for longer than this, and than their billing's minimum, need no age of their own."""


class Knowledge:
    """What one autoscaler remembers.

    It starts empty, and what it does not know yet does no harm (R20): an empty window puts scale-in off, what was done
    before it came does not count as new, and boots and requests take as long as the settings say.
    """

    def __init__(self, pools: Sequence[Pool], options: ScalingOptions) -> None:
        self._pools = tuple(pools)
        self._options = options
        self._window: deque[int] = deque(maxlen=options.window_ticks)
        self._traffic = Traffic()
        self._tally = Tally(options.heartbeat_forget_seconds)
        self._vanished = Vanished(options.depth_stale_seconds)
        self._estimates = {pool.name: Estimate() for pool in pools}
        self.speeds: Mapping[str, float] = {}
        """Seconds of one request on one instance, by pool, where that was measured."""
        self._rooms: Mapping[str, int] = {}
        self._prospects = self._outlook()
        self._heard: set[str] = set()
        self._in_flight = self._waiting = 0

    def observe(self, sight: Sight, members: Sequence[Member], rooms: Mapping[str, int], now: float) -> Observation:
        """Take in one tick; what policies may look at.

        While the depth is unknown this tick is no sample: the depth is the last one known, 0 before the first, and no
        policy may be asked (R7).

        Args:
            sight: of this tick. Also one that knows nothing of the fleet is to be taken in, without members.
            members: the whole fleet, launches of unknown outcome included (R1).
            rooms: how many more instances each pool may get now.
            now: seconds since the epoch.
        """
        learnt = self._learn(sight, members, now)
        self._count(sight)
        if learnt or rooms != self._rooms:
            self._rooms = dict(rooms)
            self._prospects = self._outlook()
        activities = Counter(member.activity for member in members)
        return Observation(
            depth=self._window[-1] if self._window else 0,
            window=tuple(self._window),
            pending=activities[Activity.BOOTING],
            running=activities[Activity.IDLE] + activities[Activity.BUSY],
            busy=activities[Activity.BUSY],
            at=now,
            in_flight=self._in_flight,
            cohorts=cohorts(members, self._pools, self._options.tick_seconds, now),
            prospects=self._prospects,
            traffic=self._traffic,
        )

    def _learn(self, sight: Sight, members: Sequence[Member], now: float) -> bool:
        """Whether any estimate is another one now."""
        if sight.heartbeats is None:
            return False
        laps = self._tally.look(sight.heartbeats, self._waiting, sight.at)
        if sight.homes is None:
            return False
        told = told_by_pool(members)
        boots = self._boots(members)
        timed = _by_pool(laps, members) if laps else {}
        estimates = {
            pool: known.after_told(told.get(pool)).after_boots(boots.get(pool, ())).after_laps(timed.get(pool, ()), now)
            for pool, known in self._estimates.items()
        }
        if estimates == self._estimates:
            return False
        self._estimates = estimates
        seconds = {pool: known.service_seconds for pool, known in estimates.items()}
        self.speeds = {pool: each for pool, each in seconds.items() if each is not None}
        return True

    def _boots(self, members: Sequence[Member]) -> dict[str, list[float]]:
        """What each instance that is heard of for the first time tells of its boot, by pool."""
        boots: dict[str, list[float]] = {}
        for member in members:
            if not member.fresh or member.instance.id in self._heard:
                continue
            self._heard.add(member.instance.id)
            seconds = booted_within(member, self._options.boot_allowance_seconds)
            if seconds is not None:
                boots.setdefault(member.instance.pool, []).append(seconds)
        if len(self._heard) > len(members):
            self._heard &= {member.instance.id for member in members}
        return boots

    def _count(self, sight: Sight) -> None:
        if sight.depth is None or sight.heartbeats is None:
            # Nobody knows whether the queue was empty meanwhile, or what was done.
            self._vanished.start_again()
            self._waiting = 0
        else:
            self._vanished.look(self._traffic.total, sight.depth.total, self._tally.done, sight.at)
            self._waiting = sight.depth.visible
        if sight.depth is not None:
            self._window.append(sight.depth.total)
            self._in_flight = sight.depth.in_flight
            done = self._tally.done + self._vanished.count
            self._traffic = self._traffic.after(sight.at, sight.depth.total, done)

    def _outlook(self) -> tuple[Prospect, ...]:
        """The pools as they are filled."""
        options, speeds = self._options, self.speeds
        service_seconds = typical(speeds.values(), options.service_seconds)
        found = []
        for pool in fill_order(self._pools, speeds):
            known = self._estimates[pool.name]
            boot_seconds = known.boot_seconds
            prospect = Prospect(
                name=pool.name,
                boot_seconds=options.boot_seconds if boot_seconds is None else boot_seconds,
                service_seconds=speeds.get(pool.name, service_seconds),
                price_per_hour=pool.price_per_hour,
                billing=pool.billing,
                room=self._rooms.get(pool.name, 0),
                slow_boot_seconds=known.slow_boot_seconds or 0.0,
            )
            found.append(prospect)
        return tuple(found)


def cohorts(members: Iterable[Member], pools: Iterable[Pool], tick_seconds: float, now: float) -> tuple[Cohort, ...]:
    """The capacity by pool, second of launch and whether it boots, the oldest first.

    Old instances of a pool that is billed by less than a tick differ in nothing that matters any more: they make one
    cohort. So even of 10,000 there are few.
    """
    old = {
        pool.name: max(_OLD_SECONDS, pool.billing.minimum_seconds)
        for pool in pools
        if pool.billing.increment_seconds <= tick_seconds
    }
    found: Counter[tuple[str, float, bool]] = Counter()
    for member in members:
        if member.is_capacity:
            pool = member.instance.pool
            age_seconds = now - math.ceil(member.instance.launched_at)
            booting = member.activity is Activity.BOOTING
            found[pool, age_seconds if booting else min(age_seconds, old.get(pool, age_seconds)), booting] += 1
    return tuple(
        Cohort(pool, count, max(0.0, age_seconds), booting)
        for (pool, age_seconds, booting), count in sorted(found.items(), key=lambda item: -item[0][1])
    )


def _by_pool(laps: Iterable[Lap], members: Iterable[Member]) -> dict[str, list[float]]:
    """Seconds of one request on one instance, whose workers work side by side."""
    bearers = {name: member for member in members for name in (member.instance.id, member.instance.name)}
    timed: dict[str, list[float]] = {}
    for lap in laps:
        member = bearers.get(lap.instance)
        if member is not None:
            timed.setdefault(member.instance.pool, []).append(lap.seconds / max(1, processes(member)))
    return timed

"""Where instances are launched and which ones go: wanted count + pools + fleet → a plan. Pure."""

import itertools
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from burstlens.clouds.base import Instance, Pool
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions

_NAME = "app-tier-{}"
_NUMBER = re.compile(r"^app-tier-([1-9][0-9]*)$")
_SURPLUS = (Activity.BOOTING, Activity.IDLE)
"""Who may go, the least missed first: one that never worked, one that does nothing; never a busy one (R4)."""
_ABOVE_CAP = (*_SURPLUS, Activity.BUSY)
"""The same where the cap was lowered: a fleet that is busy all the time would else never keep it."""


@dataclass(frozen=True, slots=True)
class Removal:
    """An instance that is to go, and why, in words."""

    instance: Instance
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done in this tick."""

    launches: Mapping[str, tuple[str, ...]]
    """Names to launch, by pool; pools without a launch are left out."""
    drains: tuple[Removal, ...]
    terminations: tuple[Removal, ...]
    shortfall: tuple[str, ...] = ()
    """Why the fleet does not get to what is wanted, one clause each."""

    @property
    def size(self) -> int:
        """How many are to be launched."""
        return sum(len(names) for names in self.launches.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each instance is to go and why the fleet does not get to what is wanted, one clause each."""
        removals = (f"{r.instance.name}: {r.why}" for r in (*self.terminations, *self.drains))
        return (*removals, *self.shortfall)


def place(
    wanted: int,
    members: Sequence[Member],
    pools: Sequence[Pool],
    rooms: Mapping[str, int],
    options: ScalingOptions,
    *,
    now: float | None = None,
    speeds: Mapping[str, float] = MappingProxyType({}),
) -> Plan:
    """Plan the way from the fleet as it is to `wanted` instances.

    Instances that drain, failed or went silent are no capacity, but they hold their names and their places under the
    cap until their cloud no longer lists them (R2). A surplus that is busy stays until it is idle (R4), unless it is
    above the cap: then it finishes what it holds, and takes no more.

    Args:
        wanted: how much capacity there should be.
        members: the whole fleet, launches of unknown outcome included (R1).
        pools: filled in their `fill_order`, emptied in reverse.
        rooms: how many more instances each pool may get now.
        options: the cap and the graces.
        now: seconds since the epoch; without it, nobody knows what is paid for already.
        speeds: seconds of one request on one instance, by pool, where that was measured.
    """
    terminations = tuple(_terminations(members, options))
    capacity = [member for member in members if member.is_capacity]
    missing = wanted - len(capacity)
    order = fill_order(pools, speeds)
    if missing < 0:
        above_cap = len(capacity) - options.max_instances
        drains, shortfall = _drains(-missing, above_cap, capacity, order, options.tick_seconds, now)
        return Plan({}, drains, terminations, shortfall)
    launches, shortfall = _launches(missing, members, order, rooms, options)
    return Plan(launches, (), terminations, shortfall)


def fill_order(pools: Sequence[Pool], speeds: Mapping[str, float]) -> tuple[Pool, ...]:
    """The pools as they are filled: by `order`, then by what one request costs there, then by price.

    A pool whose speed was never measured is taken to be as fast as a typical one of those that were.

    Args:
        pools: in any order.
        speeds: seconds of one request on one instance, by pool, where that was measured.
    """
    typical = statistics.median(speeds.values()) if speeds else 1.0

    def rank(pool: Pool) -> tuple[int, float, float]:
        return (pool.order, pool.price_per_hour * speeds.get(pool.name, typical), pool.price_per_hour)

    return tuple(sorted(pools, key=rank))


def free_names(used: Sequence[str]) -> Iterator[str]:
    """`app-tier-N` with the lowest numbers that nobody in the fleet uses."""
    taken = set(used)
    return (name for name in map(_NAME.format, itertools.count(1)) if name not in taken)


def _launches(
    missing: int, members: Sequence[Member], pools: Sequence[Pool], rooms: Mapping[str, int], options: ScalingOptions
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    if not missing:
        return {}, ()
    under_cap = max(0, options.max_instances - len(members))
    left = min(missing, under_cap)
    shortfall = [f"cap of {options.max_instances} leaves room for {under_cap} of {missing}"] if left < missing else []
    names = free_names([member.instance.name for member in members])
    launches = {}
    for pool in pools:
        count = min(left, rooms.get(pool.name, 0))
        if count > 0:
            launches[pool.name] = tuple(itertools.islice(names, count))
            left -= count
    if left:
        shortfall.append(f"no pool has room for {left} more")
    return launches, tuple(shortfall)


def _drains(
    surplus: int,
    above_cap: int,
    capacity: Sequence[Member],
    pools: Sequence[Pool],
    tick_seconds: float,
    now: float | None,
) -> tuple[tuple[Removal, ...], tuple[str, ...]]:
    places = {pool.name: (number, pool) for number, pool in enumerate(pools)}

    def expendable(member: Member) -> tuple[int, float, float, int]:
        """Of equal ones, a pool that is no longer in the settings is emptied before all others."""
        place, pool = places.get(member.instance.pool, (len(places), None))
        if member.activity is Activity.BOOTING:
            spared = -member.instance.launched_at  # the last one launched has the longest way to go
        else:
            spared = 0.0
            if pool is not None and now is not None:
                spared = pool.billing.paid_seconds_left(now - member.instance.launched_at, tick_seconds)
        return (_ABOVE_CAP.index(member.activity), -place, spared, -_number(member.instance.name))

    listed = sorted((member for member in capacity if member.listed), key=expendable)
    busy = sum(member.activity is Activity.BUSY for member in listed)
    going = listed[: min(surplus, max(above_cap, len(listed) - busy))]
    staying = min(surplus - len(going), busy)
    shortfall = (f"{staying} surplus {'is' if staying == 1 else 'are'} busy",) if staying > 0 else ()
    return tuple(Removal(m.instance, f"surplus and {m.activity}") for m in going), shortfall


def _terminations(members: Sequence[Member], options: ScalingOptions) -> Iterator[Removal]:
    for member in members:
        if not member.listed:
            continue
        if member.activity is Activity.FAILED:
            yield Removal(member.instance, f"failed: {member.instance.fault or 'no reason given'}")
        elif member.activity is Activity.SILENT:
            yield Removal(member.instance, f"no heartbeat for {options.boot_allowance_seconds:g} s")
        elif member.activity is Activity.DRAINING:
            limit = options.busy_drain_seconds if member.holding else options.drain_grace_seconds
            if member.draining_seconds > limit:
                yield Removal(member.instance, f"has been draining for more than {limit:g} s")


def _number(name: str) -> int:
    match = _NUMBER.match(name)
    return int(match[1]) if match else 0

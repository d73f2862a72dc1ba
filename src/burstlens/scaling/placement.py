"""Where instances are launched and which ones go: wanted count + pools + fleet → a plan. Pure."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from burstlens.clouds.base import Instance, Pool
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions

_NAME = "app-tier-{}"
_NUMBER = re.compile(r"^app-tier-([1-9][0-9]*)$")
_DRAIN_ORDER = (Activity.BOOTING, Activity.IDLE, Activity.BUSY)
"""Who is missed least goes first: one that never worked, one that does nothing, one that has to finish."""


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
    """Why fewer are launched than are wanted, one clause each."""

    @property
    def size(self) -> int:
        """How many are to be launched."""
        return sum(len(names) for names in self.launches.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why each instance is to go and why fewer are launched than are wanted, one clause each."""
        removals = (f"{r.instance.name}: {r.why}" for r in (*self.terminations, *self.drains))
        return (*removals, *self.shortfall)


def place(
    wanted: int, members: Sequence[Member], pools: Sequence[Pool], rooms: Mapping[str, int], options: ScalingOptions
) -> Plan:
    """Plan the way from the fleet as it is to `wanted` instances.

    Instances that drain, failed or went silent are no capacity, but they hold their names and their places under the
    cap until their cloud no longer lists them (R2).

    Args:
        wanted: how much capacity there should be.
        members: the whole fleet, launches of unknown outcome included (R1).
        pools: filled from the lowest `rank` up, emptied from the highest down.
        rooms: how many more instances each pool may get now.
        options: the cap and the graces.
    """
    terminations = tuple(_terminations(members, options))
    capacity = [member for member in members if member.is_capacity]
    missing = wanted - len(capacity)
    drains = _drains(-missing, capacity, pools)
    launches, shortfall = _launches(missing, members, pools, rooms, options)
    return Plan(launches, drains, terminations, shortfall)


def free_names(used: Sequence[str]) -> Iterator[str]:
    """`app-tier-N` with the lowest numbers that nobody in the fleet uses."""
    taken = set(used)
    return (name for name in map(_NAME.format, itertools.count(1)) if name not in taken)


def _launches(
    missing: int, members: Sequence[Member], pools: Sequence[Pool], rooms: Mapping[str, int], options: ScalingOptions
) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
    if missing <= 0:
        return {}, ()
    under_cap = max(0, options.max_instances - len(members))
    left = min(missing, under_cap)
    shortfall = [f"cap of {options.max_instances} leaves room for {under_cap} of {missing}"] if left < missing else []
    names = free_names([member.instance.name for member in members])
    launches = {}
    for pool in sorted(pools, key=lambda pool: pool.rank):
        count = min(left, rooms.get(pool.name, 0))
        if count > 0:
            launches[pool.name] = tuple(itertools.islice(names, count))
            left -= count
    if left:
        shortfall.append(f"no pool has room for {left} more")
    return launches, tuple(shortfall)


def _drains(surplus: int, capacity: Sequence[Member], pools: Sequence[Pool]) -> tuple[Removal, ...]:
    if surplus <= 0:
        return ()
    ranks = {pool.name: pool.rank for pool in pools}

    def expendable(member: Member) -> tuple[float, float, int, int]:
        """A pool that is no longer in the settings is emptied before all others."""
        order, price = ranks.get(member.instance.pool, (float("inf"), 0.0))
        return (-order, -price, _DRAIN_ORDER.index(member.activity), -_number(member.instance.name))

    candidates = sorted((member for member in capacity if member.listed), key=expendable)
    return tuple(Removal(member.instance, f"surplus and {member.activity}") for member in candidates[:surplus])


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

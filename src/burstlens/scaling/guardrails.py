"""What keeps the autoscaler from doing harm when something does not answer as it should. Pure.

A pool that refuses, or whose instances never beat, is closed for a while; a launch that no cloud lists yet counts.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from burstlens.clouds.base import Instance, Pool, State
from burstlens.errors import (
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotAuthorized,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.options import ScalingOptions


@dataclass(frozen=True, slots=True)
class PoolHealth:
    """Whether a pool may launch. Times are seconds since the epoch."""

    closed_until: float = 0.0
    why: str = ""
    failed_boots: frozenset[str] = frozenset()
    """Ids of the instances in a row that ended without a heartbeat."""
    last_failed_launch: float = 0.0

    def is_closed(self, now: float) -> bool:
        """Whether nothing may be launched here now."""
        return now < self.closed_until


@dataclass(frozen=True, slots=True)
class Asked:
    """A launch that was asked for; it counts until a cloud lists it or has had `listing_grace_seconds` to (R1, R2)."""

    name: str
    pool: str
    asked_at: float

    def as_member(self, now: float, options: ScalingOptions) -> Member:
        """The instance that may be on its way; when it should have come by now, it only takes a place under the cap."""
        ghost = Instance(
            id=f"asked-for:{self.name}", name=self.name, pool=self.pool, state=State.PENDING, launched_at=self.asked_at
        )
        awaited = now - self.asked_at <= options.listing_grace_seconds
        return Member(ghost, Activity.BOOTING if awaited else Activity.SILENT, listed=False)


def still_unlisted(
    asked: Iterable[Asked], listed: Sequence[Instance], blind: Collection[str], now: float, options: ScalingOptions
) -> tuple[Asked, ...]:
    """The launches that have not shown up and may still do so.

    Args:
        asked: the launches.
        listed: what exists.
        blind: pools whose cloud does not list anything now, so that nobody can see what was born there.
        now: seconds since the epoch.
        options: how late a cloud may list what was born.
    """
    names = {instance.name for instance in listed}
    return tuple(
        a
        for a in asked
        if a.name not in names and (a.pool in blind or now - a.asked_at <= options.listing_grace_seconds)
    )


def refused(health: PoolHealth, error: BurstlensError, now: float, options: ScalingOptions) -> PoolHealth:
    """Close a pool after its cloud said no: throttling, capacity and quota each wait in their own way (R12).

    One that the operator has to mend is closed for a while, too, so that the next pool gets its turn (R11).
    """
    if isinstance(error, Throttled):
        pause_seconds = error.retry_after_seconds
    elif isinstance(error, CapacityUnavailable):
        pause_seconds = options.capacity_cooldown_seconds
    elif isinstance(error, QuotaExceeded):
        pause_seconds = options.quota_cooldown_seconds
    elif isinstance(error, (NotAuthorized, Misconfigured)):
        pause_seconds = options.failed_boots_cooldown_seconds
    elif isinstance(error, Unavailable):
        # Until the next tick: to wait for it again in this one would keep the other pools waiting, too.
        pause_seconds = options.tick_seconds
    else:
        return health
    return replace(health, closed_until=now + pause_seconds, why=str(error))


def after_boots(health: PoolHealth, members: Sequence[Member], now: float, options: ScalingOptions) -> PoolHealth:
    """Close a pool whose instances end one after the other without a single heartbeat.

    Args:
        health: of this pool so far.
        members: those of this pool.
        now: seconds since the epoch.
        options: how many in a row are too many.
    """
    beating = [m.instance.launched_at for m in members if m.activity in {Activity.IDLE, Activity.BUSY} and m.has_beaten]
    if beating and max(beating) >= health.last_failed_launch:
        health = replace(health, failed_boots=frozenset(), last_failed_launch=0.0)
    dead = [
        m.instance
        for m in members
        if m.activity in {Activity.FAILED, Activity.SILENT} and m.listed and not m.has_beaten
    ]
    news = [instance for instance in dead if instance.id not in health.failed_boots]
    if not news:
        return health
    health = replace(
        health,
        failed_boots=health.failed_boots | {instance.id for instance in news},
        last_failed_launch=max(health.last_failed_launch, *(instance.launched_at for instance in news)),
    )
    if len(health.failed_boots) < options.failed_boots:
        return health
    fault = next((f": {instance.fault}" for instance in news if instance.fault), "")
    return replace(
        health,
        closed_until=now + options.failed_boots_cooldown_seconds,
        why=f"{len(health.failed_boots)} instances in a row ended without a heartbeat{fault}",
    )


def patient(wanted: int, depth: int, pending: int, capacity: int) -> int:
    """Put scale-in off while instances boot and there is work for them.

    A depth stands still while nobody is there to work on it. A policy that takes this for a reason to shrink would
    drain what it launched before it has booted, and launch it again, for ever.
    """
    return capacity if wanted < capacity and pending and depth else wanted


def room(pool: Pool, health: PoolHealth, members: Sequence[Member], now: float, options: ScalingOptions) -> int:
    """How many more instances the pool may get now; only one at a time while it has yet to prove that it can boot."""
    if health.is_closed(now):
        return 0
    mine = [member for member in members if member.instance.pool == pool.name]
    places = max(0, pool.cap - len(mine))
    if len(health.failed_boots) < options.failed_boots:
        return places
    return 0 if any(member.activity is Activity.BOOTING for member in mine) else min(1, places)

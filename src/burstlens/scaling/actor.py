"""The autoscaler's hands: carries plans out; remembers launches that are not listed yet and pools that refused."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from burstlens.clock import Clock
from burstlens.clouds.base import Cloud, Instance, Pool, Spec, State
from burstlens.errors import (
    BornUnseen,
    BurstlensError,
    CapacityUnavailable,
    Misconfigured,
    NotFound,
    QuotaExceeded,
    Throttled,
    Unavailable,
)
from burstlens.scaling.guardrails import Asked, PoolHealth, after_boots, refused, room, still_unlisted
from burstlens.scaling.members import Member
from burstlens.scaling.observer import Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, Removal
from burstlens.scaling.troubles import EXPECTED, Troubles

_TOKEN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Done:
    """The names of the instances that each act reached."""

    launched: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()


class Actor:
    """Acts on the clouds for one fleet.

    Raises:
        Misconfigured: on creation, when a pool is on a cloud that is not there.
    """

    def __init__(
        self,
        clouds: Mapping[str, Cloud],
        pools: Sequence[Pool],
        fleet: str,
        spec_for: Callable[[Pool], Awaitable[Spec]],
        options: ScalingOptions,
        clock: Clock,
        troubles: Troubles,
    ) -> None:
        for pool in pools:
            if pool.cloud not in clouds:
                message = f"pool {pool.name}: there is no cloud {pool.cloud!r} here"
                raise Misconfigured(message)
        self._clouds = clouds
        self._pools = {pool.name: pool for pool in pools}
        self._fleet = fleet
        self._spec_for = spec_for
        self._options = options
        self._clock = clock
        self._troubles = troubles
        self._health = {pool.name: PoolHealth() for pool in pools}
        self._asked: tuple[Asked, ...] = ()
        self._minute = -1
        self._counter = itertools.count()
        self._started_at = clock.now()

    def on_the_way(self, sight: Sight) -> list[Member]:
        """Launches that no cloud lists yet."""
        now = self._clock.now()
        blind = {name for name, pool in self._pools.items() if pool.cloud in sight.blind}
        self._asked = still_unlisted(self._asked, sight.instances, blind, now, self._options)
        return [asked.as_member(now, self._options) for asked in self._asked]

    def rooms(self, members: Sequence[Member], blind: Collection[str]) -> dict[str, int]:
        """How many more instances each pool may get now: none on a blind cloud. A closed pool is noted."""
        now = self._clock.now()
        rooms = {}
        for name, pool in self._pools.items():
            mine = [member for member in members if member.instance.pool == name]
            health = self._health[name] = after_boots(self._health[name], mine, now, self._options)
            # What has closed it in this tick was said as it happened.
            if health.is_closed(now) and not any(health.why in said for said in self._troubles.sentences):
                self._troubles.say(f"pool {name} is closed for now: {health.why}")
            rooms[name] = 0 if pool.cloud in blind else room(pool, health, mine, now, self._options)
        return rooms

    async def act(self, plan: Plan, sight: Sight) -> Done:
        """Carry the removals of the plan out, and then its launches, which may need what those free."""
        terminated: list[str] = []
        drained: list[str] = []
        for name, ids in _by_cloud(plan.terminations, sight).items():
            if await self._troubles.carry_out(f"terminate on {name}", self._clouds[name].terminate(list(ids))):
                terminated += ids.values()
        for name, ids in _by_cloud(plan.drains, sight).items():
            if await self._troubles.carry_out(f"drain on {name}", self._clouds[name].drain(list(ids))):
                drained += ids.values()
        return Done(await self.launch(plan), tuple(drained), tuple(terminated))

    async def launch(self, plan: Plan) -> tuple[str, ...]:
        """Carry the launches of the plan out, in all pools at once; the names of what was born."""
        launches = plan.launches.items()
        # Each launch has its token before any of them waits, so that a restart repeats the same calls.
        calls = [self._launch(self._pools[name], names, self._token()) for name, names in launches]
        return tuple(name for born in await asyncio.gather(*calls) for name in born)

    async def _launch(self, pool: Pool, names: Sequence[str], token: str) -> list[str]:
        cloud = self._clouds[pool.cloud]
        try:
            spec = await self._spec_for(pool)
        except EXPECTED as error:
            self._refuse(pool, error)
            return []
        try:
            born = await cloud.launch(pool, names, spec, fleet=self._fleet, token=token)
            while born and all(self._is_history(instance) for instance in born):
                born = await cloud.launch(pool, names, spec, fleet=self._fleet, token=self._token())
        except (Unavailable, NotFound) as error:
            # Some may have been born: they count until the cloud's list has had time to tell.
            self._refuse(pool, error)
            self._count(pool, error.names if isinstance(error, BornUnseen) else names)
            return []
        except (CapacityUnavailable, QuotaExceeded, *EXPECTED) as error:
            self._refuse(pool, error)
            return []
        launched = [instance.name for instance in born if instance.state is not State.TERMINATED]
        self._count(pool, launched)
        return launched

    def _count(self, pool: Pool, names: Iterable[str]) -> None:
        """Count these until they are listed. The time for that begins now, however long the launch took."""
        now = self._clock.now()
        self._asked += tuple(Asked(name, pool.name, now) for name in names)

    def _refuse(self, pool: Pool, error: BurstlensError) -> None:
        self._troubles.note(f"launch in pool {pool.name}", error)
        # Who throttles means everybody who asks there, not one pool.
        closing = [p for p in self._pools.values() if isinstance(error, Throttled) and p.cloud == pool.cloud] or [pool]
        for each in closing:
            self._health[each.name] = refused(self._health[each.name], error, self._clock.now(), self._options)

    def _is_history(self, instance: Instance) -> bool:
        """Whether an autoscaler before this one launched it, with a token of this minute, and it has ended since."""
        return instance.state is State.TERMINATED and instance.launched_at < self._started_at

    def _token(self) -> str:
        """Names one launch call.

        An autoscaler that was killed between a launch and its listing starts again within the minute, counts from the
        same zero and so repeats the same calls, which launches nothing twice.
        """
        minute = int(self._clock.now() // _TOKEN_SECONDS)
        if minute != self._minute:
            self._minute, self._counter = minute, itertools.count()
        return f"{self._fleet}-{minute}-{next(self._counter)}"


def _by_cloud(removals: Sequence[Removal], sight: Sight) -> dict[str, dict[str, str]]:
    """For each cloud that was seen, the names to remove by id: of the others nobody knows what still is so."""
    found: dict[str, dict[str, str]] = {}
    for removal in removals:
        cloud = sight.cloud_of(removal.instance)
        if cloud not in sight.blind:
            found.setdefault(cloud, {})[removal.instance.id] = removal.instance.name
    return found

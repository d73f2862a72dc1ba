"""The autoscaler's hands: carries plans out; remembers launches that are not listed yet and pools that refused."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

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
from burstlens.scaling.lease import Authority
from burstlens.scaling.members import Member
from burstlens.scaling.observer import Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, Removal
from burstlens.scaling.troubles import EXPECTED, Troubles

_TOKEN_SECONDS = 60

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Done:
    """The names of the instances that each act reached."""

    launched: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Call:
    """One launch call."""

    pool: Pool
    names: Sequence[str]
    token: str


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
        lease: Authority,
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
        self._lease = lease
        self._health = {pool.name: PoolHealth() for pool in pools}
        self._asked: tuple[Asked, ...] = ()
        self._minute = -1
        self._counter = itertools.count()
        self._started_at = clock.now()

    def on_the_way(self, sight: Sight) -> list[Member]:
        """Launches that no cloud lists yet."""
        blind = {name for name, pool in self._pools.items() if pool.cloud in sight.blind}
        self._asked = still_unlisted(self._asked, sight.instances, blind, sight.at, self._options)
        return [asked.as_member(sight.at, self._options) for asked in self._asked]

    def rooms(self, members: Sequence[Member], sight: Sight) -> dict[str, int]:
        """How many more instances each pool may get in this tick: none on a blind cloud. A closed pool is noted.

        What has closed since the sight stays so until the next one, however long the others take.
        """
        now = sight.at
        rooms = {}
        for name, pool in self._pools.items():
            mine = [member for member in members if member.instance.pool == name]
            health = self._health[name] = after_boots(self._health[name], mine, now, self._options)
            # What has closed it in this tick was said as it happened.
            if health.is_closed(now) and not any(health.why in said for said in self._troubles.sentences):
                self._troubles.say(f"pool {name} is closed for now: {health.why}")
            rooms[name] = 0 if pool.cloud in sight.blind else room(pool, health, mine, now, self._options)
        return rooms

    async def act(self, plan: Plan, sight: Sight) -> Done:
        """Carry the plan out, on all clouds at once: one that hangs must not keep the others from growing."""
        launches = self._calls(plan)
        terminations, drains = _by_cloud(plan.terminations, sight), _by_cloud(plan.drains, sight)
        clouds = dict.fromkeys((*launches, *terminations, *drains))
        parts = await _all(
            self._act_on(name, terminations.get(name, {}), drains.get(name, {}), launches.get(name, []))
            for name in clouds
        )
        return Done(
            tuple(name for part in parts for name in part.launched),
            tuple(name for part in parts for name in part.drained),
            tuple(name for part in parts for name in part.terminated),
        )

    async def launch(self, plan: Plan) -> tuple[str, ...]:
        """Carry the launches of the plan out, in all pools at once; the names of what was born."""
        return await self._launch_all([call for calls in self._calls(plan).values() for call in calls])

    def _calls(self, plan: Plan) -> dict[str, list[_Call]]:
        """The launches of the plan, by cloud.

        Each has its token before any of them waits, so that a restart repeats the same calls.
        """
        found: dict[str, list[_Call]] = {}
        for name, names in plan.launches.items():
            pool = self._pools[name]
            found.setdefault(pool.cloud, []).append(_Call(pool, names, self._token()))
        return found

    async def _act_on(
        self, name: str, terminations: Mapping[str, str], drains: Mapping[str, str], launches: Sequence[_Call]
    ) -> Done:
        """Remove, and then launch what may need what that frees."""
        cloud, carry_out = self._clouds[name], self._troubles.carry_out
        ended = terminations and self._may_act()
        ended = ended and await carry_out(f"terminate on {name}", cloud.terminate(list(terminations)))
        told = drains and self._may_act()
        told = told and await carry_out(f"drain on {name}", cloud.drain(list(drains)))
        return Done(
            launched=await self._launch_all(launches),
            drained=tuple(drains.values()) if told else (),
            terminated=tuple(terminations.values()) if ended else (),
        )

    async def _launch_all(self, calls: Iterable[_Call]) -> tuple[str, ...]:
        launched = await _all(self._launch(call.pool, call.names, call.token) for call in calls)
        return tuple(name for names in launched for name in names)

    async def _launch(self, pool: Pool, names: Sequence[str], token: str) -> list[str]:
        cloud = self._clouds[pool.cloud]
        try:
            spec = await self._spec_for(pool)
        except EXPECTED as error:
            self._refuse(pool, error)
            return []
        try:
            # Asked after the last wait, since nothing but this stands between a former owner and its act.
            if not self._may_act():
                return []
            born = await cloud.launch(pool, names, spec, fleet=self._fleet, token=token)
            while born and self._may_act() and all(self._is_history(instance) for instance in born):
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

    def _may_act(self) -> bool:
        """Whether this autoscaler still is the one; asked before each act, since each may take long."""
        if not self._lease.holds:
            self._troubles.say("another autoscaler may have taken over, so nothing more is done")
        return self._lease.holds

    def _count(self, pool: Pool, names: Iterable[str]) -> None:
        """Count these until they are listed. The time for that begins now, however long the launch took."""
        now = self._clock.now()
        self._asked += tuple(Asked(name, pool.name, now) for name in names)

    def _refuse(self, pool: Pool, error: BurstlensError) -> None:
        self._troubles.note(f"launch in pool {pool.name}", error)
        # Who throttles means everybody who asks there, and who does not answer is not asked for pool after pool.
        whole = isinstance(error, (Throttled, Unavailable))
        closing = [p for p in self._pools.values() if whole and p.cloud == pool.cloud] or [pool]
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


async def _all(calls: Iterable[Awaitable[_T]]) -> list[_T]:
    """What all of them return. After a defect in one the others are waited for: nobody else counts what they launch."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]

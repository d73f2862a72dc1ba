"""The autoscaler's loop: observe → decide → place → guard → act → record, once each tick."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from burstlens.clock import Clock
from burstlens.clouds.base import Cloud, Pool, Spec
from burstlens.heartbeats import Heartbeats
from burstlens.queues.base import Queue
from burstlens.scaling.actor import Actor
from burstlens.scaling.decision import Census, Decision
from burstlens.scaling.guardrails import patient
from burstlens.scaling.members import Activity, Member, muster
from burstlens.scaling.observation import Observation
from burstlens.scaling.observer import Observer, Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, place
from burstlens.scaling.policy import policy_from
from burstlens.scaling.troubles import Troubles

_BEAT_SECONDS = 10.0
"""The autoscaler's own heartbeat comes at least this often, however long a tick is."""
_RECENT = 1000

_log = structlog.get_logger(__name__)


class Autoscaler:
    """Moves one fleet towards what its policy wants. Never run two for one fleet: see `AutoscalerLock`.

    A restart loses nothing that matters (R20): instances are what the clouds list, and an empty window only puts
    scale-in off until it is full again.

    Raises:
        Misconfigured: on creation, for an unknown policy or a pool on a cloud that is not there.
    """

    def __init__(
        self,
        *,
        queue: Queue,
        clouds: Mapping[str, Cloud],
        pools: Sequence[Pool],
        heartbeats: Heartbeats,
        options: ScalingOptions,
        clock: Clock,
        fleet: str,
        spec_for: Callable[[Pool], Awaitable[Spec]],
    ) -> None:
        self._pools = tuple(pools)
        self._heartbeats = heartbeats
        self._options = options
        self._clock = clock
        self._policy = policy_from(options)
        self._troubles = Troubles()
        self._observer = Observer(queue, clouds, heartbeats, fleet, options, self._troubles)
        self._actor = Actor(clouds, pools, fleet, spec_for, options, clock, self._troubles)
        self._window: deque[int] = deque(maxlen=options.window)
        self._draining_since: dict[str, float] = {}
        self.recent: deque[Decision] = deque(maxlen=_RECENT)
        """The last decisions, oldest first."""

    @property
    def errors(self) -> Counter[str]:
        """How often something went wrong, by kind of error."""
        return self._troubles.errors

    async def run(self) -> None:
        """Tick until cancelled; a tick under way is finished first, since no act may be cut off half way."""
        while True:
            tick = asyncio.ensure_future(self._survive_tick())
            try:
                await asyncio.shield(tick)
            except asyncio.CancelledError:
                await asyncio.wait([tick])
                raise
            await self._pause()

    async def tick(self) -> Decision:
        """Observe, decide, act and record once. An error that an adapter raises on purpose makes it hold, not fail."""
        self._troubles.clear()
        await self._beat()
        sight = await self._observer.observe(self._clock.now())
        if sight.depth is not None:
            self._window.append(sight.depth.total)
        if sight.homes is None:
            return self._record(self._decision(sight, None, None, "the fleet is unknown, so it stays as it is"))
        for cloud in sorted(sight.blind):
            self._troubles.say(f"{cloud} is counted as it was last seen, and stays as it is")
        seen = self._muster(sight)
        members = seen + self._actor.on_the_way(sight)
        wanted, why = self._decide(sight, members)
        capacity = self._guard(wanted, sight, members)
        plan = self._place(capacity, sight, members)
        done = await self._actor.act(plan, sight)
        spilt = await self._spill(capacity, sight, seen, plan.size - len(done.launched))
        await self._observer.forget_heartbeats(sight, self._clock.now())
        decision = self._decision(sight, members, wanted, why)
        return self._record(
            replace(
                decision,
                launched=done.launched + spilt,
                drained=done.drained,
                terminated=done.terminated,
                reasons=plan.reasons,
            )
        )

    def _muster(self, sight: Sight) -> list[Member]:
        now = self._clock.now()
        members = muster(sight.instances, sight.heartbeats, self._draining_since, now, self._options)
        self._draining_since = {
            member.instance.id: now - member.draining_seconds
            for member in members
            if member.activity is Activity.DRAINING
        }
        return members

    def _place(self, capacity: int, sight: Sight, members: Sequence[Member]) -> Plan:
        return place(capacity, members, self._pools, self._actor.rooms(members, sight), self._options)

    async def _spill(self, capacity: int, sight: Sight, seen: Sequence[Member], missing: int) -> tuple[str, ...]:
        """Ask the next pools for what those before them refused, in the same tick: a burst does not wait (R11).

        A pool that gave less than all is asked once more, so that its cloud says why; then it is closed.
        """
        born: tuple[str, ...] = ()
        for _ in range(2 * len(self._pools)):
            if not missing:
                break
            plan = self._place(capacity, sight, [*seen, *self._actor.on_the_way(sight)])
            launched = await self._actor.launch(plan)
            missing = plan.size - len(launched)
            born += launched
        return born

    def _decide(self, sight: Sight, members: Sequence[Member]) -> tuple[int | None, str]:
        census = Census.of(members)
        if sight.depth is None:
            return None, "the depth is unknown, so the fleet stays as it is"
        observation = Observation(sight.depth.total, tuple(self._window), census.pending, census.running)
        wanted = self._policy.desired(observation)
        samples = f"{len(self._window)} of {self._options.window} samples"
        seen = f"depth {observation.depth} and {observation.instances} instances, {samples}"
        return wanted, f"{seen}: {self._options.policy} wants {wanted}"

    def _guard(self, wanted: int | None, sight: Sight, members: Sequence[Member]) -> int:
        """How much capacity to make for: what is wanted, unless it is unknown or would undo a launch under way."""
        census = Census.of(members)
        if wanted is None or sight.depth is None:
            return census.capacity
        guarded = patient(wanted, sight.depth.total, census.pending, census.capacity)
        if guarded != wanted:
            self._troubles.say(f"scale-in waits for {census.pending} that boot")
        return guarded

    def _decision(self, sight: Sight, members: Sequence[Member] | None, wanted: int | None, why: str) -> Decision:
        return Decision(
            at=self._clock.now(),
            policy=self._options.policy,
            depth=sight.depth and replace(sight.depth, age_seconds=0.0),
            census=None if members is None else Census.of(members),
            wanted=wanted,
            why=why,
            held=self._troubles.sentences,
        )

    def _record(self, decision: Decision) -> Decision:
        """An idle fleet decides the same again and again: only a change is worth a line."""
        repeated = bool(self.recent) and decision == self.recent[-1]
        (_log.debug if repeated else _log.info)("decision", **decision.line())
        self.recent.append(decision)
        return decision

    async def _survive_tick(self) -> None:
        try:
            await self.tick()
        except Exception as error:  # noqa: BLE001 - a defect must not leave the fleet without its owner; it is logged and counted
            self._troubles.note_defect(error)

    async def _pause(self) -> None:
        until = self._clock.now() + max(self._options.tick_seconds, self._troubles.retry_after_seconds)
        while (left_seconds := until - self._clock.now()) > 0:
            await self._clock.sleep(min(left_seconds, _BEAT_SECONDS))
            if left_seconds > _BEAT_SECONDS:
                await self._beat()

    async def _beat(self) -> None:
        await self._troubles.carry_out("the autoscaler's heartbeat was not written", self._heartbeats.send_autoscaler())

"""The autoscaler's loop: observe → decide → place → guard → act → record, once each tick."""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from burstlens.clock import Clock
from burstlens.clouds.base import Cloud, Pool, Spec
from burstlens.scaling.actor import Actor, Done
from burstlens.scaling.beats import Beats
from burstlens.scaling.decision import Census, Decision, Load, Placed, Presence
from burstlens.scaling.decision_log import DecisionLog
from burstlens.scaling.fleet import Fleet
from burstlens.scaling.knowledge import Knowledge
from burstlens.scaling.lease import Authority, Sole
from burstlens.scaling.ledger import Ledger
from burstlens.scaling.limits import frugal, guard, rationed, without_standby
from burstlens.scaling.members import Activity, Member, muster
from burstlens.scaling.observation import Observation
from burstlens.scaling.observer import Counted, Observer, Sight
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.placement import Plan, place
from burstlens.scaling.policy import policy_from
from burstlens.scaling.policy.base import Policy, wish
from burstlens.scaling.purse import Purse
from burstlens.scaling.troubles import Troubles

_BEAT_SECONDS = 10.0
"""The autoscaler's own heartbeat comes at least this often, however long a tick is."""
_RECENT = 1000

_log = structlog.get_logger(__name__)


class Autoscaler:
    """Moves one fleet towards what its policy wants, while it has the lease: never do two act for one fleet.

    A restart loses nothing that matters (R20): instances are what the clouds list, what was spent is in the ledger, and
    an empty window only puts scale-in off until it is full again.

    Raises:
        Misconfigured: on creation, for an unknown policy or a pool on a cloud that is not there.
    """

    def __init__(
        self,
        *,
        queue: Counted,
        clouds: Mapping[str, Cloud],
        pools: Sequence[Pool],
        heartbeats: Beats,
        options: ScalingOptions,
        clock: Clock,
        fleet: str,
        spec_for: Callable[[Pool], Awaitable[Spec]],
        policy: Policy | None = None,
        ledger: Ledger | None = None,
        log: DecisionLog | None = None,
        lease: Authority | None = None,
    ) -> None:
        """Without a policy it is the one that the options name; without a lease, nobody else may run this fleet."""
        self._pools = tuple(pools)
        self._prices = {pool.name: pool.price_per_hour for pool in pools}
        self._heartbeats = heartbeats
        self._options = options
        self._clock = clock
        self._policy = policy or policy_from(options)
        self._log = log
        self._lease = lease or Sole()
        self._troubles = Troubles()
        self._observer = Observer(queue, clouds, heartbeats, fleet, options, self._troubles)
        self._knowledge = Knowledge(pools, options)
        self._purse = Purse(pools, ledger, options, self._troubles)
        self._actor = Actor(clouds, pools, fleet, spec_for, options, clock, self._troubles, self._lease)
        self._draining_since: dict[str, float] = {}
        self._unlogged = False
        self.recent: deque[Decision] = deque(maxlen=_RECENT)
        """The last decisions, oldest first."""

    @property
    def errors(self) -> Counter[str]:
        """How often something went wrong, by kind of error."""
        return self._troubles.errors

    async def run(self) -> None:
        """Tick until cancelled; a tick under way is finished first, since no act may be cut off half way."""
        while True:
            await self._lease.held()
            tick = asyncio.ensure_future(self._survive_tick())
            try:
                await asyncio.shield(tick)
                await self._pause()
            except asyncio.CancelledError:
                await asyncio.wait([tick])
                await self._flush()
                raise

    async def tick(self) -> Decision:
        """Observe, decide, act and record once. An error that an adapter raises on purpose makes it hold, not fail.

        Without the lease it does nothing, and nothing is recorded.
        """
        if not self._lease.holds:
            return Decision(self._clock.now(), self._options.policy, why="standby: another autoscaler runs this fleet")
        self._troubles.clear()
        if self._unlogged:
            self._troubles.say("the decision log cannot be written")
        await self._beat()
        sight = await self._observer.observe(self._clock.now())
        if sight.homes is None:
            self._knowledge.observe(sight, (), {}, sight.at)
            why = "the fleet is unknown, so it stays as it is"
            return await self._record(self._decision(sight, None, why=why))
        for cloud in sorted(sight.blind):
            self._troubles.say(f"{cloud} is counted as it was last seen, and stays as it is")
        return await self._record(await self._move(sight))

    async def _move(self, sight: Sight) -> Decision:
        """Decide and act on what was seen."""
        await self._purse.look(sight, self._lease.term)
        seen = self._muster(sight)
        members = seen + self._actor.on_the_way(sight)
        rooms = self._actor.rooms(members, sight)
        observation = self._knowledge.observe(sight, members, rooms, sight.at)
        wanted, why = self._decide(sight, observation)
        allowance = self._purse.allowance(members, sight.at)
        depth = None if sight.depth is None else observation.depth
        guarded = guard(wanted, depth, observation.pending, observation.instances, allowance, self._options)
        if allowance.keep is not None and guarded.count == allowance.keep:
            self._troubles.say(f"{allowance.why}, so launches wait and who cannot be paid for goes")
        plan = self._place(guarded.count, members, rooms, sight)
        placed = Placed.of(plan)
        plan = frugal(rationed(plan, allowance, self._options), members, self._prices, allowance)
        done = await self._act(plan, guarded.count, sight, seen)
        await self._observer.forget_heartbeats(sight, self._clock.now())
        decision = self._decision(sight, members, wanted=wanted, why=why)
        return replace(
            decision,
            launched=done.launched,
            drained=done.drained,
            terminated=done.terminated,
            reasons=plan.reasons,
            load=None if sight.depth is None else Load.of(observation),
            prospects=observation.prospects,
            allowed=guarded.count,
            guarded=guarded.clauses,
            placed=placed,
        )

    def _muster(self, sight: Sight) -> list[Member]:
        now = self._clock.now()
        since = self._draining_since
        members = muster(sight.instances, sight.heartbeats, since, now, self._options, sight.hearing_since)
        draining = [member for member in members if member.activity is Activity.DRAINING]
        self._draining_since = {member.instance.id: now - member.draining_seconds for member in draining}
        return members

    def _place(self, count: int, members: Sequence[Member], rooms: Mapping[str, int], sight: Sight) -> Plan:
        speeds = self._knowledge.speeds
        return place(count, members, self._pools, rooms, self._options, now=sight.at, speeds=speeds)

    def _decide(self, sight: Sight, observation: Observation) -> tuple[int | None, str]:
        if sight.depth is None:
            return None, "the depth is unknown, so the fleet stays as it is"
        shown = without_standby(observation, self._options.standby)
        try:
            return wish(self._policy, shown)
        except Exception as error:  # noqa: BLE001 - a policy may be anybody's; budget and removals must not wait for it
            self._troubles.note_defect(error)
            return None, f"the policy failed with {type(error).__name__}, so the fleet stays as it is"

    async def _act(self, plan: Plan, count: int, sight: Sight, seen: Sequence[Member]) -> Done:
        done = await self._actor.act(plan, sight)
        self._purse.launched(len(done.launched), self._clock.now())
        spilt = await self._spill(count, sight, seen, plan.size - len(done.launched))
        return replace(done, launched=done.launched + spilt)

    async def _spill(self, count: int, sight: Sight, seen: Sequence[Member], missing: int) -> tuple[str, ...]:
        """Ask the next pools for what those before them refused, in the same tick: a burst does not wait (R11).

        A pool that gave less than all is asked once more, so that its cloud says why; then it is closed.
        """
        born: tuple[str, ...] = ()
        for _ in range(2 * len(self._pools)):
            if not missing:
                break
            members = [*seen, *self._actor.on_the_way(sight)]
            plan = self._place(count, members, self._actor.rooms(members, sight), sight)
            plan = rationed(plan, self._purse.allowance(members, self._clock.now()), self._options)
            launched = await self._actor.launch(plan)
            self._purse.launched(len(launched), self._clock.now())
            missing = plan.size - len(launched)
            born += launched
        return born

    def _decision(
        self, sight: Sight, members: Sequence[Member] | None, wanted: int | None = None, why: str = ""
    ) -> Decision:
        return Decision(
            at=self._clock.now(),
            policy=self._options.policy,
            depth=sight.depth and replace(sight.depth, age_seconds=0.0),
            census=None if members is None else Census.of(members),
            wanted=wanted,
            why=why,
            held=self._troubles.sentences,
            presence=None if members is None else Presence.of(Fleet.of(members)),
            pools=Counter(member.instance.pool for member in members or ()),
            term=self._lease.term,
        )

    async def _record(self, decision: Decision) -> Decision:
        """An idle fleet decides the same again and again: only a change is worth a line."""
        if self.recent and decision == self.recent[-1]:
            _log.debug("decision as before")
        else:
            _log.info("decision", **decision.line())
        self.recent.append(decision)
        if self._log is not None:
            appending = self._log.append(decision)
            self._unlogged = not await self._troubles.carry_out("the decision log cannot be written", appending)
        return decision

    async def _flush(self) -> None:
        if self._log is not None:
            await self._troubles.carry_out("the decision log cannot be written", self._log.flush())

    async def _survive_tick(self) -> None:
        try:
            await self.tick()
        except Exception as error:  # noqa: BLE001 - a defect must not leave the fleet without its owner; it is logged and counted
            self._troubles.note_defect(error)

    async def _pause(self) -> None:
        """Counted in naps: a clock that was set back must not stretch it."""
        left_seconds = max(self._options.tick_seconds, self._troubles.retry_after_seconds)
        while left_seconds > 0:
            await self._clock.sleep(min(left_seconds, _BEAT_SECONDS))
            left_seconds -= _BEAT_SECONDS
            if left_seconds > 0 and self._lease.holds:
                await self._beat()

    async def _beat(self) -> None:
        await self._troubles.carry_out("the autoscaler's heartbeat was not written", self._heartbeats.send_autoscaler())

"""The event engine: the production autoscaler, tick by tick, over a simulated world that serves each request."""

import asyncio
from math import inf

import numpy as np

from burstlens.clouds.base import Pool, Spec
from burstlens.scaling.autoscaler import Autoscaler
from burstlens.scaling.decision import Decision
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Policy
from burstlens.simulate import bill
from burstlens.simulate.beats import SimulatedHeartbeats
from burstlens.simulate.clock import EMPTY_SECONDS, START, UNANSWERED_SECONDS, SteppedClock
from burstlens.simulate.cloud import SimulatedCloud
from burstlens.simulate.crew import Crew
from burstlens.simulate.outcome import Floats, Outcome, Timeline
from burstlens.simulate.queue import SimulatedQueue
from burstlens.simulate.site import Site, services
from burstlens.simulate.world import World

_FLEET = "simulated"


def simulate(arrivals: Floats, world: World, options: ScalingOptions, policy: Policy | None = None) -> Outcome:
    """Run one policy on one scenario, in the production loop with all its guardrails.

    The autoscaler looks at the start and then once each `options.tick_seconds`; it sees what came before that moment.
    The run ends when all is answered and no machine is left, at the latest `EMPTY_SECONDS` after the last answer; or
    `UNANSWERED_SECONDS` after the last arrival. Then what is left is billed until there.
    The same arguments give the same outcome.

    Args:
        arrivals: seconds from the start, ascending, not negative.
        world: pools, boots, service times and faults.
        options: of the autoscaler; their policy is asked unless `policy` is given.
        policy: what to ask instead, fresh for this run if it keeps a memory.

    Raises:
        Misconfigured: there is no policy of this name.
        ValueError: the arrivals are not ascending, not finite, negative or not one row.
        RuntimeError: called where an event loop runs already.
    """
    arrivals = np.asarray(arrivals, dtype=np.float64)
    ascending = arrivals.ndim == 1 and np.isfinite(arrivals).all() and (np.diff(arrivals, prepend=0.0) >= 0).all()
    if not ascending:
        message = "arrivals must be one row of ascending, finite seconds from the start"
        raise ValueError(message)
    return asyncio.run(_Run(arrivals, world, options, policy).outcome())


class _Quiet(Autoscaler):
    """The production autoscaler, which keeps its decisions to itself: a day of log lines is nobody's to read."""

    async def _record(self, decision: Decision) -> Decision:
        self.recent.append(decision)
        return decision


class _Run:
    def __init__(self, arrivals: Floats, world: World, options: ScalingOptions, policy: Policy | None) -> None:
        self._arrivals = arrivals
        self._world = world
        self._options = options
        self._name = options.policy if policy is None else type(policy).__name__
        self._clock = SteppedClock()
        self._site = Site(world)
        self._crew = Crew(self._site, self._arrivals, services(world, len(self._arrivals)))
        self._queue = SimulatedQueue(self._crew, world, options.tick_seconds)
        pools = [each.pool for each in world.pools]
        clouds = {
            name: SimulatedCloud(self._site, name, self._clock.elapsed, START)
            for name in dict.fromkeys(pool.cloud for pool in pools)
        }
        self._autoscaler = _Quiet(
            queue=self._queue,
            clouds=clouds,
            pools=pools,
            heartbeats=SimulatedHeartbeats(self._site, self._clock.elapsed),
            options=options,
            clock=self._clock,
            fleet=_FLEET,
            spec_for=_no_spec,
            policy=policy,
        )

    async def outcome(self) -> Outcome:
        """Run to the end."""
        backlogs: list[int] = []
        last = float(self._arrivals[-1]) if len(self._arrivals) else -inf
        ends_at, answered = last + UNANSWERED_SECONDS, False
        at = 0.0
        while True:
            self._clock.set(at)
            self._queue.advance(at)
            backlogs.append(self._crew.waiting + self._crew.working())
            await self._autoscaler.tick()
            self._site.forget(at)
            if at > last and not backlogs[-1]:
                if not answered:
                    ends_at, answered = at + EMPTY_SECONDS, True
                if not self._site.exists(at):
                    break
            if at >= ends_at:
                break
            at = len(backlogs) * self._options.tick_seconds
        return self._sum_up(at, backlogs)

    def _sum_up(self, until: float, backlogs: list[int]) -> Outcome:
        latencies = np.array(self._crew.latencies, dtype=np.float64)
        # What never began is not a number, which is within nothing.
        answered = latencies[self._arrivals + latencies <= until]
        at = np.arange(len(backlogs), dtype=np.float64) * self._options.tick_seconds
        pools = [each.pool for each in self._world.pools]
        stays = self._site.all_stays(until)
        seconds = [bill.billed_seconds(stays, pool) for pool in pools]
        return Outcome(
            policy=self._name,
            requests=len(self._arrivals),
            latencies=np.sort(answered),
            billed_seconds=sum(seconds),
            money=bill.money(seconds, pools),
            launches=len(stays),
            peak=bill.peak(stays),
            unanswered=len(self._arrivals) - len(answered),
            timeline=Timeline(
                at=at,
                arrivals=np.diff(np.searchsorted(self._arrivals, at), prepend=0).astype(np.float64),
                backlog=np.array(backlogs, dtype=np.float64),
                instances={pool.name: bill.present_at(at, stays, pool.name) for pool in pools},
                money=bill.money_at(at, stays, pools),
            ),
        )


async def _no_spec(pool: Pool) -> Spec:
    del pool
    return Spec({})

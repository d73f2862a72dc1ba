"""`deadline`: the fewest billed seconds such that requests meet their deadline; docs/decisions/0017-deadline.md.

No I/O, no clock, no chance: the same observations in the same order give the same wishes.
"""

import math

import numpy as np

from burstlens.clouds.base import Billing
from burstlens.scaling.due import Crew, Due, crew_of, more, slow_boot
from burstlens.scaling.forecast import Load
from burstlens.scaling.insurance import CATCHING_UP, Insurance
from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.rehearsal import LEVEL_TICKS, Conditions
from burstlens.scaling.worth import haste_seconds, worth_keeping, worth_launching

_ODD_SECOND = 1.0
"""Between what clocks say and when things are done."""
_PAID_SERVING_SECONDS = 15.0
"""Of a minute that is billed, beside a boot of 45 s."""
_LULL_TICKS = 4
"""After so many without an arrival, to wait for more requests that share a launch is only a risk."""
_CALM_TICKS = 12
"""Over so many, the load below which no idle instance is sent away."""
_CALM_SHARE = 0.25
"""A load of 2.75 instances keeps three. Of 0, 0.25 and 0.5 it had the lowest bill in all at 120 s, by up to 1 %."""
_MOST_STEPS = 720
"""Ticks that are made up after nobody could look: more would be another load."""
_FREE_MINIMUM_SECONDS = 60.0
"""What a launch is reckoned to cost while catching up where no minimum is billed."""


class Deadline:
    """Launches as late as possible, keeps nobody beyond what is paid, insures against what no boot is in time for.

    1. *Late*: work is due; as long as the same number of instances can be launched a tick later, they are. Requests
       that come meanwhile share the launch.
    2. *Paid*: an idle instance is sent away when its billing's minimum is used up, and not before.
    3. *Insured*: only where a boot is slower than the deadline, a reserve is kept (`Insurance`).
    4. *Priced*: with `waiting_price_per_hour`, a launch is worth it once the waiting of the backlog has cost as much.
    """

    def __init__(self, options: ScalingOptions) -> None:
        self._options = options
        self._load = Load(max(_CALM_TICKS, LEVEL_TICKS))
        self._insurance: Insurance | None = None
        self._conditions: Conditions | None = None
        self._insured = False
        self._began_at: float | None = None
        self._why = "nothing is known yet"

    @classmethod
    def from_options(cls, options: ScalingOptions) -> "Deadline":
        """The policy with the numbers of the settings."""
        return cls(options)

    def desired(self, observation: Observation) -> int:
        """Between `min_instances` and `max_instances`, whatever was observed. Call it once for each observation."""
        if self._began_at is None:
            self._began_at = observation.at
        pool = self._next_pool(observation)
        boot_seconds, late_seconds = self._boot(pool)
        reserve = self._learn(observation, pool, late_seconds)
        dues = self._dues(observation, pool, late_seconds)
        wish = self._wish(observation, pool, boot_seconds, dues, reserve)
        return max(self._options.min_instances, min(self._options.max_instances, wish))

    def explain(self, observation: Observation) -> str:
        """Why the last wish is what it is."""
        oldest = observation.traffic.backlog[0].at if observation.traffic.backlog else observation.at
        waiting = f"depth {observation.depth}, the oldest for {max(0.0, observation.at - oldest):.0f} s"
        return f"{waiting if observation.depth else 'nothing waits'}, {observation.instances} instances: {self._why}"

    def _boot(self, pool: Prospect) -> tuple[float, float]:
        """The boot to plan with, and how much too late an instance comes that is launched for a request that came.

        The slow boot, as long as it leaves the tick in which it is seen that a request came; below 0 is in time.
        """
        slow = slow_boot(pool)
        latest = self._slack(pool, 0.0) - self._options.tick_seconds - _ODD_SECOND
        if pool.boot_seconds <= latest:
            boot_seconds = min(slow, latest)
            return boot_seconds, -self._slack(pool, boot_seconds)
        return slow, max(_ODD_SECOND, -self._slack(pool, slow))

    def _slack(self, pool: Prospect, boot_seconds: float) -> float:
        """How long a request may have waited when an instance is launched for it, in seconds; below 0, it is late."""
        options = self._options
        return options.deadline_seconds - pool.service_seconds - boot_seconds - options.tick_seconds

    def _next_pool(self, observation: Observation) -> Prospect:
        """Where the next instance would come from."""
        known = Prospect("", self._options.boot_seconds, self._options.service_seconds, billing=Billing(1.0, 60.0))
        open_pools = [pool for pool in observation.prospects if pool.room > 0]
        return next(iter([*open_pools, *observation.prospects]), known)

    def _learn(self, observation: Observation, pool: Prospect, late_seconds: float) -> int:
        """Take the tick in, and return the reserve: 0 where a launch is always in time."""
        traffic = observation.traffic
        steps = max(1, min(_MOST_STEPS, round(traffic.seconds / self._options.tick_seconds)))
        self._insured = late_seconds > 0
        if self._insured:
            self._come_to_conditions(pool)
        missed = traffic.overdue(self._options.deadline_seconds + self._options.tick_seconds / 2)
        reserve = 0
        for step in range(steps):
            arrived = traffic.arrived / steps
            self._load.after(arrived)
            if self._insurance is not None:
                reserve = self._insurance.after(arrived, missed if step == 0 else 0.0)
        return min(reserve, self._insurable(observation))

    def _insurable(self, observation: Observation) -> int:
        """How many there are, and could be, of those whose boot is too slow.

        What they cannot do comes from a pool that is in time. And when they all are there, they still are worth what
        they were: otherwise they would go, and be launched again.
        """
        slow = {each.name: each.room for each in observation.prospects if self._boot(each)[1] > 0}
        return sum(slow.values()) + sum(cohort.count for cohort in observation.cohorts if cohort.pool in slow)

    def _come_to_conditions(self, pool: Prospect) -> None:
        options = self._options
        conditions = Conditions(
            tick_seconds=options.tick_seconds,
            deadline_seconds=options.deadline_seconds,
            service_seconds=pool.service_seconds,
            boot_seconds=pool.boot_seconds,
            minimum_seconds=pool.billing.minimum_seconds or _FREE_MINIMUM_SECONDS,
            miss_seconds=CATCHING_UP / (1.0 - options.attainment),
            cap=options.max_instances,
        )
        if self._insurance is None:
            self._insurance = Insurance(conditions, 1.0 - options.attainment)
        elif conditions != self._conditions:
            self._insurance.under(conditions)
        self._conditions = conditions

    def _dues(self, observation: Observation, pool: Prospect, late_seconds: float) -> list[Due]:
        """What waits, and of what is expected, only that for which a launch of the next tick would be too late."""
        options, tick = self._options, self._options.tick_seconds
        service, slack = pool.service_seconds, options.deadline_seconds - pool.service_seconds
        # Within its tick nobody knows when a request came: where all can be in time, it came first of all.
        early = tick / 2 if late_seconds > 0 else tick + _ODD_SECOND
        dues, requests = [], 0.0
        for wave in observation.traffic.backlog:
            requests += wave.count
            dues.append(Due(wave.at - early + slack - observation.at, requests * service))
        if late_seconds > 0:
            expected = self._load.mean(LEVEL_TICKS)
            horizon = range(1, math.ceil(late_seconds / tick) + 3)
            dues += [Due(n * tick + slack - tick / 2, (requests + expected * n) * service) for n in horizon]
        elif requests:
            # What is late already is done at the latest as if it came now: nobody else may come for whom to launch.
            dues.append(Due(slack - early, requests * service))
        return dues

    def _wish(
        self, observation: Observation, pool: Prospect, boot_seconds: float, dues: list[Due], reserve: int
    ) -> int:
        there = observation.instances
        crew = crew_of(observation, pool, boot_seconds)
        tick = self._options.tick_seconds
        now = more(dues, crew, boot_seconds, 0.0, self._share_out)
        haste = haste_seconds(observation, pool, self._slack(pool, boot_seconds), now)
        later = more(dues, crew, boot_seconds, tick + haste, self._share_out)
        wish, why = there, "they suffice"
        now = min(now, more(dues, crew, boot_seconds, 0.0, self._unhurried))
        if now and later > now:
            wish, why = there + now, f"{now} more are needed, and later it would take more"
        elif now and not self._load.mean(_LULL_TICKS):
            wish, why = there + now, f"{now} more are needed, and nobody else comes for whom to wait"
        elif now:
            why = f"{now} more are needed, but may still wait"
        for count, reason in (
            (worth_launching(observation, pool, self._options), "waiting would cost more than they do"),
            (reserve, f"{reserve} are kept in reserve, since a boot of {boot_seconds:.0f} s is too slow"),
        ):
            if count > wish:
                wish, why = count, reason
        if wish > there or now:
            self._why = why
            return max(wish, there)
        load = self._load.mean(_CALM_TICKS) / tick * pool.service_seconds
        kept = max(
            reserve, math.floor(load + _CALM_SHARE), worth_keeping(load, pool, self._options.waiting_price_per_hour)
        )
        return self._shrunk(observation, boot_seconds, dues, crew, kept)

    def _share_out(self, left: float, serving: float) -> float:
        if self._conditions is None or not self._insured:
            return serving
        arriving = self._load.mean(LEVEL_TICKS) / self._options.tick_seconds
        return float(self._conditions.catch_up_seconds(np.asarray(left), arriving))

    def _unhurried(self, left: float, serving: float) -> float:
        """The same, but where launches are in time, over no less than the minute that is paid leaves beside a boot.

        When boots take longer than any before, a few seconds are left for all that waits, and no fleet is large enough.
        """
        hurried = self._share_out(left, serving)
        return hurried if self._insured else max(hurried, _PAID_SERVING_SECONDS)

    def _shrunk(self, observation: Observation, boot_seconds: float, dues: list[Due], crew: Crew, least: int) -> int:
        """Send idle ones away that are paid for no longer, as long as nobody has to come back for what is known."""
        there, tick = observation.instances, self._options.tick_seconds
        idle = observation.running - min(observation.running, max(observation.busy, 0))
        if not idle:
            self._why = "all are at work"
            return there
        if observation.pending and observation.depth:
            self._why = "some boot, and there is work for them"
            return there
        if self._began_at is not None and observation.at - self._began_at < boot_seconds:
            self._why = "too little is known to send anybody away"
            return there
        paid = _paid(observation, tick)
        away = min(idle, observation.running - paid, there - least)
        while away > 0 and more(dues, crew.without(away), boot_seconds, tick, self._share_out):
            away -= 1
        if away > 0:
            self._why = f"{away} idle and paid for no longer"
            return there - away
        self._why = f"{idle} idle, but {'paid for' if paid else 'kept'}"
        return there


def _paid(observation: Observation, tick_seconds: float) -> int:
    """How many of those running are paid for beyond the next tick."""
    billings = {pool.name: pool.billing for pool in observation.prospects}
    return sum(
        cohort.count
        for cohort in observation.cohorts
        if not cohort.booting
        and billings.get(cohort.pool, Billing()).paid_seconds_left(cohort.age_seconds, tick_seconds) > 0
    )

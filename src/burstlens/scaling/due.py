"""What has to be done by when, and how many more instances that takes. Pure."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from burstlens.scaling.estimate import UNSEEN
from burstlens.scaling.observation import Observation, Prospect

NEVER = 1_000_000
"""So many more that nobody has them: it cannot be done by then."""


@dataclass(frozen=True, slots=True)
class Due:
    """Work that has to be begun in order to be in time."""

    by_seconds: float
    """From now; less than 0 is late."""
    work_seconds: float
    """On one instance of the pool that comes next: all that has to be done until then, what is due earlier included."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Who works, in instances of the speed of the pool that comes next."""

    running: float
    booting: tuple[tuple[float, float], ...] = ()
    """Seconds until they serve, and how many do then."""

    def done_by(self, seconds: float) -> float:
        """Work that they can do until so many seconds from now."""
        if seconds <= 0:
            return 0.0
        return self.running * seconds + sum(count * max(0.0, seconds - ready) for ready, count in self.booting)

    def without(self, count: int) -> "Crew":
        """The same with so many fewer that run."""
        return Crew(max(0.0, self.running - count), self.booting)


def slow_boot(pool: Prospect) -> float:
    """What nearly all boots of this pool stay within, in seconds; as long as that is unknown, a part more than most."""
    return max(pool.boot_seconds, pool.slow_boot_seconds or pool.boot_seconds * (1 + UNSEEN))


def crew_of(observation: Observation, pool: Prospect, boot_seconds: float) -> Crew:
    """The fleet in instances of this pool's speed; without cohorts, all are alike."""
    pools = {each.name: each for each in observation.prospects}
    if not observation.cohorts:
        booting = ((boot_seconds, float(observation.pending)),) if observation.pending else ()
        return Crew(float(observation.running), booting)
    running, booting_ones = 0.0, []
    for cohort in observation.cohorts:
        own = pools.get(cohort.pool, pool)
        count = cohort.count * pool.service_seconds / own.service_seconds
        if cohort.booting:
            booting_ones.append((max(0.0, slow_boot(own) - cohort.age_seconds), count))
        else:
            running += count
    return Crew(running, tuple(booting_ones))


def more(
    dues: Iterable[Due],
    crew: Crew,
    boot_seconds: float,
    wait_seconds: float,
    share_out: Callable[[float, float], float],
) -> int:
    """How many more instances it takes for all that can still be in time; `NEVER` when they would come too late.

    What would be late even if they were launched now is left out: no launch helps it.

    Args:
        dues: ascending in time and in work.
        crew: who works already.
        boot_seconds: from the launch until an instance serves.
        wait_seconds: until the launch; 0 is now.
        share_out: over how many seconds work that is left (its first argument) is to be spread, when instances serve
            for so many seconds (its second) until it is due.
    """
    most = 0
    for due in dues:
        left = due.work_seconds - crew.done_by(due.by_seconds)
        if left <= 1e-9 or due.by_seconds <= boot_seconds:
            continue
        serving = due.by_seconds - boot_seconds - wait_seconds
        if serving <= 0:
            return NEVER
        most = max(most, math.ceil(left / share_out(left, serving) - 1e-9))
    return most

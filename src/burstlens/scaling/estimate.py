"""How long a boot and a request take in one pool, from what was seen of them. Pure."""

import math
import statistics
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from burstlens.messages import WorkerState
from burstlens.scaling.members import Member

_BOOTS = 20
_SLOW = 0.95
"""Of 20 boots one may be odd; more than that are what a plan has to reckon with."""
UNSEEN = 1 / 3
"""By how much of itself a slow boot may be longer than the only one that was seen, or than what settings say."""
_TOLD = 31
"""A worker's first word is of a single request, so that of the only one in a pool must not be taken for the pool's."""
_LAPS = 31
_LAPS_NEEDED = 5
"""So many, since the median of fewer is bent by two odd laps."""
_LAP_SECONDS = 3600.0
"""After this a lap says little: images and models change."""
_MOST_SECONDS = 3600.0
"""Whoever tells of a longer request than this, or of one that takes no time, is broken."""
_ENDING = frozenset({WorkerState.DRAINING, WorkerState.STOPPED})


@dataclass(frozen=True, slots=True)
class Estimate:
    """What is known of one pool; a value: what is seen makes the next one."""

    boots: tuple[float, ...] = ()
    """Seconds from launch to the first heartbeat, of the last instances that booted, newest last."""
    told: tuple[float, ...] = ()
    """Seconds of one request on one instance as the heartbeats told it, each time that it changed, newest last."""
    laps: tuple[tuple[float, float], ...] = ()
    """(when, seconds of one request on one instance) as results showed it, newest last."""

    def after_boots(self, boots: Iterable[float]) -> "Estimate":
        """With these boots, too."""
        longer = (*self.boots, *boots)[-_BOOTS:]
        return self if longer == self.boots else replace(self, boots=longer)

    def after_told(self, seconds: float | None) -> "Estimate":
        """With what the heartbeats tell now; what they told before stands while they tell nothing."""
        if seconds is None or self.told[-1:] == (seconds,):
            return self
        return replace(self, told=(*self.told, seconds)[-_TOLD:])

    def after_laps(self, seconds: Iterable[float], now: float) -> "Estimate":
        """With these laps, and without those that are too old."""
        laps = (*self.laps, *[(now, each) for each in seconds])[-_LAPS:]
        while laps and now - laps[0][0] > _LAP_SECONDS:
            laps = laps[1:]
        return self if laps == self.laps else replace(self, laps=laps)

    @property
    def boot_seconds(self) -> float | None:
        """From launch to first heartbeat, the median: half of all boots may be odd. None before the first."""
        return statistics.median(self.boots) if self.boots else None

    @property
    def slow_boot_seconds(self) -> float | None:
        """What 19 of 20 boots stay within (nearest rank); None before the first.

        Of fewer it is the longest one and a part more, a third after one boot: the longest of a few is soon outdone.
        """
        if not self.boots:
            return None
        seen = len(self.boots)
        slow = sorted(self.boots)[math.ceil(_SLOW * seen) - 1]
        return slow if seen == _BOOTS else slow * (1 + UNSEEN / seen)

    @property
    def service_seconds(self) -> float | None:
        """Of one request on one instance; None before the first.

        Results come first, since they hold what the model's time leaves out: fetching, writing, answering. They need a
        queue that was full for a while; until then the heartbeats have to do.
        """
        if len(self.laps) >= _LAPS_NEEDED:
            return statistics.median(seconds for _, seconds in self.laps)
        return statistics.median(self.told) if self.told else None


def processes(member: Member) -> int:
    """How many workers of this instance are at work."""
    return len([beat for beat in member.fresh if beat.state not in _ENDING])


def told_seconds(member: Member) -> float | None:
    """Of one request on this instance, by its workers' own measurement; None before it finished one that can be.

    Its workers work side by side: two that need a second for each request answer two in a second.
    """
    known = [told for beat in member.fresh if (told := beat.service_seconds) and 0 < told <= _MOST_SECONDS]
    if not known:
        return None
    return (known[0] if len(known) == 1 else statistics.median(known)) / max(1, processes(member))


def told_by_pool(members: Iterable[Member]) -> dict[str, float]:
    """The median over the instances of each pool, so that one odd machine or image moves little."""
    told: dict[str, list[float]] = {}
    for member in members:
        seconds = told_seconds(member)
        if seconds is not None:
            told.setdefault(member.instance.pool, []).append(seconds)
    return {pool: statistics.median(seconds) for pool, seconds in told.items()}


def booted_within(member: Member, most_seconds: float) -> float | None:
    """From the instance's launch to its first heartbeat, which its first worker sends as it starts.

    None when it did not beat, or when that cannot be: a worker that was replaced started later than the first one, and
    who boots for longer than `most_seconds` is replaced.
    """
    if not member.fresh:
        return None
    started_at = min(beat.started_at for beat in member.fresh).timestamp()
    seconds = max(0.0, started_at - member.instance.launched_at)
    return seconds if seconds <= most_seconds else None


def typical(known: Collection[float], otherwise: float) -> float:
    """What to expect of a pool that was never seen at work, from those that were.

    The images and the model are the same there, so another machine's measurement is nearer than a setting.
    """
    return statistics.median(known) if known else otherwise

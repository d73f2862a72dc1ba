"""What has left the queue: what workers finished, as their heartbeats tell it, and what nobody told of. No I/O."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from burstlens.messages import Heartbeat, WorkerState

_LAP = 10
"""Requests in one measurement at least: a beat may fall anywhere within one, which bends ten by a tenth at most."""
_MARGIN = 2
"""Depths and heartbeats both are of a few seconds ago and a little wrong. With a count that is 5 s late and off by a
tenth, laps at low load came out a third too long without this margin, and right with it."""
_ENDING = frozenset({WorkerState.DRAINING, WorkerState.STOPPED})


@dataclass(frozen=True, slots=True)
class Lap:
    """How fast one worker was over a time in which there always was more to do."""

    instance: str
    """As its heartbeat calls it: by name or id."""
    seconds: float
    """Of one request."""


@dataclass(slots=True)
class _Worker:
    sent_at: datetime
    count: int
    lap_at: datetime
    lap_count: int


class Tally:
    """Sums up `done` + `failed` over all workers, through ends, restarts and names that are used again.

    What a worker did before the first look is history, not news: after a restart of the autoscaler nothing is counted
    twice (R20). What one did after its last heartbeat, before it was killed, is not seen here.
    """

    def __init__(self, forget_seconds: float) -> None:
        """A worker whose heartbeat is gone is remembered for `forget_seconds` after it was sent."""
        self.done = 0
        """Requests that ended since the first look; it never falls."""
        self._forget_seconds = forget_seconds
        self._since: float | None = None
        self._calm_until = 0.0
        self._workers: dict[str, _Worker] = {}

    def look(self, heartbeats: Sequence[Heartbeat], waiting: int, now: float) -> list[Lap]:
        """Count what is new, and return the laps that ended.

        Args:
            heartbeats: the last one of every worker.
            waiting: requests that waited for a worker at the look before. When no more than half of these ended since
                then, the queue was never empty in between, so every worker had as much to do as it could.
            now: when the look began, in seconds since the epoch.
        """
        news = [beat for beat in heartbeats if self._is_news(beat)]
        ended = sum(map(self._count, news))
        self.done += ended
        if not 0 < waiting >= _MARGIN * ended:
            self._calm_until = now
        laps = [lap for beat in news if (lap := self._lap(beat))]
        self._since = now if self._since is None else self._since
        if len(self._workers) > len(heartbeats):
            self._forget(heartbeats, now)
        return laps

    def _is_news(self, beat: Heartbeat) -> bool:
        known = self._workers.get(beat.worker)
        return known is None or beat.sent_at > known.sent_at

    def _count(self, beat: Heartbeat) -> int:
        """How many requests this heartbeat is the first to tell of."""
        count = beat.done + beat.failed
        known = self._workers.get(beat.worker)
        if known is not None and count >= known.count and beat.started_at <= known.sent_at:
            ended = count - known.count
            known.sent_at, known.count = beat.sent_at, count
            return ended
        self._workers[beat.worker] = _Worker(beat.sent_at, count, beat.sent_at, count)
        is_young = self._since is not None and beat.started_at.timestamp() >= self._since
        return count if known is not None or is_young else 0

    def _lap(self, beat: Heartbeat) -> Lap | None:
        worker = self._workers[beat.worker]
        done = worker.count - worker.lap_count
        if beat.state in _ENDING or worker.lap_at.timestamp() < self._calm_until:
            lap = None
        elif done < _LAP:
            return None
        else:
            lap = Lap(beat.instance, (beat.sent_at - worker.lap_at).total_seconds() / done)
        worker.lap_at, worker.lap_count = beat.sent_at, worker.count
        return lap

    def _forget(self, heartbeats: Sequence[Heartbeat], now: float) -> None:
        """Not at once: one that is back after a read that failed would be counted again."""
        present = {beat.worker for beat in heartbeats}
        self._workers = {
            name: worker
            for name, worker in self._workers.items()
            if name in present or now - worker.sent_at.timestamp() <= self._forget_seconds
        }


class Vanished:
    """Requests that are not in the queue any more although no heartbeat told of their end.

    A worker that is killed takes what it did since its last heartbeat along, and a queue can be emptied by hand. The
    books would wait for them for ever, and take so many new ones for these.
    """

    def __init__(self, patience_seconds: float) -> None:
        """No count of the depth and no living worker's heartbeat comes later than `patience_seconds`."""
        self.count = 0.0
        """So many at least; it never falls."""
        self._patience_seconds = patience_seconds
        self._depths: deque[tuple[float, int]] = deque()

    def look(self, total: float, depth: int, done: int, at: float) -> None:
        """Take in one count: what neither the highest depth of late nor the heartbeats account for has vanished.

        Args:
            total: requests that came since the first look.
            depth: requests that still have to be done.
            done: requests that heartbeats told the end of since the first look.
            at: seconds since the epoch.
        """
        self._depths.append((at, depth))
        since = at - self._patience_seconds
        while len(self._depths) > 1 and self._depths[1][0] <= since:
            self._depths.popleft()
        if self._depths[0][0] <= since:
            highest = max(depth for _, depth in self._depths)
            self.count = max(self.count, total - highest - done)

    def start_again(self) -> None:
        """After a tick in which something was unknown nothing can be concluded from what was before."""
        self._depths.clear()

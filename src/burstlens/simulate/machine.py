"""One simulated instance: when it does what, and how far its worker has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf
from typing import NamedTuple

from burstlens.clouds.base import Instance, State

SMOOTHING = 0.1
"""Weight of the newest request in the smoothed service time, as in `burstlens.worker.pulse`."""


class Note(NamedTuple):
    """What a heartbeat says."""

    sent_at: float = -inf
    done: int = 0
    held: int = 0
    service_seconds: float | None = None


NOTHING_SAID = Note()


@dataclass(slots=True, eq=False)
class Machine:
    """An instance with one worker, which serves one request at a time. All times are seconds since the start.

    Much of what is to happen is known at its launch: when it runs, is ready, and is taken back by its cloud. So its
    state at any moment is a matter of comparing times, and nobody has to wake it.
    """

    number: int
    name: str
    pool: str
    fleet: str
    launched_at: float
    running_at: float
    ready_at: float
    """Its first heartbeat; the next ones come every `heartbeat_seconds`."""
    heartbeat_seconds: float
    services: Sequence[float] = ()
    """Seconds of each request here."""
    closes_at: float = inf
    """It takes no more requests from here on."""
    killed_at: float = inf
    """Its cloud takes it back, whatever it does."""
    ended_at: float = inf
    free_at: float = 0.0
    """When it can begin the next request."""
    request: int = -1
    """The one that it took last; -1 also when that was taken from it."""
    taken: int = 0
    service_seconds: float | None = None
    """Smoothed over all that it took; `service_before` leaves out the last one."""
    service_before: float | None = None
    note: Note = NOTHING_SAID
    """Of its last heartbeat."""
    alarm: float = 0.0
    """Whoever takes a request that ends at this time or later calls `attend` first."""
    id: str = ""
    _listed: Instance | None = None

    def __post_init__(self) -> None:
        self.id = f"m-{self.number}"
        self.free_at = self.alarm = self.ready_at

    def state(self, at: float) -> State:
        """As its cloud tells it."""
        if at >= self.ended_at:
            return State.TERMINATED
        if at < self.running_at:
            return State.PENDING
        return State.DRAINING if at >= self.closes_at else State.RUNNING

    def listed(self, at: float, origin: float) -> Instance:
        """What its cloud lists; `origin` is the start of the run in seconds since the epoch."""
        state = self.state(at)
        if self._listed is None or self._listed.state is not state:
            self._listed = Instance(self.id, self.name, self.pool, state, origin + self.launched_at)
        return self._listed

    def is_busy(self, at: float) -> bool:
        """Whether it works on a request; what begins at this moment has begun."""
        return bool(self.taken) and self.free_at > at and at < self.ended_at

    @property
    def ended_in_order(self) -> bool:
        """Whether its worker started, and finished what it had taken; to be asked once it has ended."""
        return self.ready_at <= self.ended_at and (not self.taken or self.free_at <= self.ended_at)

    def take(self, request: int, finish: float, seconds: float) -> None:
        """Work on this request, which takes so many seconds, until `finish`."""
        self.free_at = finish
        self.request = request
        self.taken += 1
        before = self.service_before = self.service_seconds
        self.service_seconds = seconds if before is None else before + SMOOTHING * (seconds - before)

    def interrupt(self, noticed_at: float, notice_seconds: float) -> None:
        """Have its cloud take it back, which is known before it takes anything: it drains from the notice on."""
        self.closes_at = noticed_at
        self.killed_at = noticed_at + notice_seconds

    def settle(self, at: float) -> None:
        """Let an interruption that has begun have its end; what it takes until `at` must be known."""
        if self.closes_at <= at and self.ended_at == inf:
            self.ended_at = min(self.killed_at, self.free_at) if self.is_busy(self.closes_at) else self.closes_at

    def drain(self, at: float) -> None:
        """Finish what it works on, and end; one that boots or is idle ends at once."""
        if at < self.closes_at:
            self.closes_at = at
            self.ended_at = min(self.killed_at, self.free_at) if self.is_busy(at) else at

    def terminate(self, at: float) -> None:
        """End now."""
        self.closes_at = min(self.closes_at, at)
        self.ended_at = min(self.ended_at, at)

    def beat(self, until: float) -> None:
        """Note what the last heartbeat not after `until` says; all that it began before then must be known."""
        self._note(floor((min(until, self.ended_at) - self.ready_at) / self.heartbeat_seconds))

    def attend(self, start: float) -> None:
        """See to what comes before the request that it begins at `start`, and when to do so again."""
        # What beats as a request begins already holds it, so only heartbeats before that are due.
        self._note(ceil((start - self.ready_at) / self.heartbeat_seconds) - 1)
        next_beat_at = max(self.ready_at, self.note.sent_at + self.heartbeat_seconds)
        self.alarm = min(next_beat_at, self.closes_at, self.killed_at)

    def _note(self, number: int) -> None:
        sent_at = self.ready_at + number * self.heartbeat_seconds
        if number >= 0 and sent_at > self.note.sent_at:
            held = int(self.taken > 0 and self.free_at > sent_at)
            self.note = Note(sent_at, self.taken - held, held, self.service_before if held else self.service_seconds)

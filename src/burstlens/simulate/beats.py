"""The heartbeats of simulated workers, in the place of `burstlens.heartbeats.Heartbeats`."""

from collections.abc import Callable

from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.simulate.clock import START
from burstlens.simulate.machine import Machine, Note
from burstlens.simulate.site import Site


class SimulatedHeartbeats:
    """What the last heartbeat of every worker says, without objects in a bucket.

    A worker beats as it starts and then at its own intervals; one that ends in order says so.
    """

    def __init__(self, site: Site, elapsed: Callable[[], float]) -> None:
        """`elapsed` tells the seconds since the start of the run."""
        self._site = site
        self._elapsed = elapsed
        self._watched: dict[str, Machine] = {}
        self._posted: dict[str, tuple[float, WorkerState]] = {}
        self._board: dict[str, Heartbeat] = {}

    async def all(self) -> list[Heartbeat]:
        """The last heartbeat of every worker, those that have ended too."""
        at = self._elapsed()
        self._watched |= self._site.present
        for machine in self._watched.values():
            self._look_at(machine, at)
        self._watched = {id_: machine for id_, machine in self._watched.items() if machine.ended_at > at}
        return list(self._board.values())

    async def remove(self, worker: str) -> None:
        """Forget a worker that has ended."""
        self._board.pop(worker, None)

    async def send_autoscaler(self) -> None:
        """Nobody in a simulated world waits for it."""

    def _look_at(self, machine: Machine, at: float) -> None:
        machine.beat(at)
        note = machine.note
        if machine.ended_at <= at and machine.ended_in_order:
            self._post(machine, _last(machine), WorkerState.STOPPED)
        elif note.sent_at >= 0:
            busy = WorkerState.BUSY if note.held else WorkerState.IDLE
            self._post(machine, note, WorkerState.DRAINING if machine.closes_at <= note.sent_at else busy)

    def _post(self, machine: Machine, note: Note, state: WorkerState) -> None:
        news = (note.sent_at, state)
        if self._posted.get(machine.id) == news:
            return
        self._posted[machine.id] = news
        sent_at = utc(START + note.sent_at)
        before = self._board.get(machine.id) or Heartbeat.model_construct(
            worker=machine.id,
            instance=machine.id,
            pool=machine.pool,
            state=state,
            started_at=utc(START + machine.ready_at),
            sent_at=sent_at,
        )
        # To copy one is twice as fast as to construct it.
        self._board[machine.id] = before.model_copy(
            update={
                "state": state,
                "sent_at": sent_at,
                "done": note.done,
                "held": note.held,
                "service_seconds": note.service_seconds,
            }
        )


def _last(machine: Machine) -> Note:
    """Of one that ended in order."""
    return Note(machine.ended_at, machine.taken, 0, machine.service_seconds)

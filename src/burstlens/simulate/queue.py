"""A simulated queue: what the autoscaler is told of how much waits, late and approximately."""

from collections import deque
from math import floor

from burstlens.queues.base import Depth
from burstlens.simulate.crew import Crew
from burstlens.simulate.site import count_errors
from burstlens.simulate.world import World


class SimulatedQueue:
    """The counts of a queue whose requests the `Crew` serves; nothing can be sent to it or received from it.

    It fulfils as much of the `Queue` port as an autoscaler uses.
    """

    def __init__(self, crew: Crew, world: World, tick_seconds: float) -> None:
        self._crew = crew
        self._errors = count_errors(world)
        self._error_share = world.depth_error_share
        ticks = floor(world.depth_lag_seconds / tick_seconds)
        self._early_seconds = world.depth_lag_seconds - ticks * tick_seconds
        self._needed = ticks + 1
        self._counts: deque[Depth] = deque(maxlen=self._needed)

    def advance(self, until: float) -> None:
        """Let the workers serve until the tick at `until`, and count at the moment that some tick will hear of."""
        counted_at = until - self._early_seconds
        if counted_at >= 0:
            self._crew.serve(counted_at)
            self._counts.append(Depth(visible=self._crew.waiting, in_flight=self._crew.working()))
        if self._early_seconds:
            self._crew.serve(until)

    async def depth(self) -> Depth:
        """See the port."""
        if len(self._counts) < self._needed:
            return Depth()
        count = self._counts[0]
        if not self._error_share:
            return count
        off, off_too = self._errors.uniform(-self._error_share, self._error_share, 2)
        return Depth(visible=round(count.visible * (1 + off)), in_flight=round(count.in_flight * (1 + off_too)))

"""The workers of a simulated world: first come, first served, one request at a time on each machine."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from math import nan

from burstlens.simulate.machine import SMOOTHING, Machine
from burstlens.simulate.outcome import Floats
from burstlens.simulate.site import Site


class Crew:
    """Who serves what, and when. All times are seconds since the start.

    The machine that has been free for longest takes the next request. One that is taken away gives its request back,
    which is then served before all others, so nothing is lost.
    """

    def __init__(self, site: Site, arrivals: Floats, services: Mapping[str, Sequence[float]]) -> None:
        """Arrivals are ascending; services are the seconds of each request by pool."""
        self._site = site
        self._services = services
        self._arrivals: list[float] = arrivals.tolist()
        self.latencies: list[float] = [nan] * len(self._arrivals)
        """Of each request, seconds from arrival to answer; not a number until it is taken."""
        self._at = 0.0
        self._next = 0
        self._seen = 0
        self._returned: list[int] = []
        self._losses: list[tuple[float, int, Machine]] = []
        """When machines are taken away from a request that they cannot finish."""
        self._heap: list[tuple[float, int, Machine]] = []
        self._known: list[Machine] = []
        self._changes = 0

    @property
    def waiting(self) -> int:
        """Requests that came before now and wait for a machine."""
        return self._seen - self._next + len(self._returned)

    def working(self) -> int:
        """Requests that machines work on now."""
        return sum(machine.is_busy(self._at) for machine in self._site.present.values())

    def serve(self, until: float) -> None:
        """Begin everything that can begin until then, at that moment too; what comes at that moment is for later."""
        self._muster()
        while True:
            stop = min(until, self._losses[0][0]) if self._losses else until
            stop = self._serve_next(self._serve_returned(stop))
            self._at = stop
            if not self._take_losses() and stop >= until:
                break
        self._site.settle(until)

    def _muster(self) -> None:
        """See who came and who was told to go."""
        if self._changes == self._site.changes:
            return
        self._changes = self._site.changes
        for machine in self._known:
            if machine.ended_at <= self._at and machine.free_at > machine.ended_at:
                self._take_back(machine)
        self._known = list(self._site.present.values())
        for machine in self._known:
            machine.services = self._services[machine.pool]
        self._heap = [(m.free_at, m.number, m) for m in self._known if m.closes_at > self._at]
        heapify(self._heap)

    def _take_losses(self) -> bool:
        """Whether there were any by now."""
        some = False
        while self._losses and self._losses[0][0] <= self._at:
            self._take_back(heappop(self._losses)[2])
            some = True
        return some

    def _take_back(self, machine: Machine) -> None:
        if machine.request >= 0:
            self.latencies[machine.request] = nan
            insort(self._returned, machine.request)
            machine.request = -1

    def _attend(self, machine: Machine, start: float, finish: float, stop: float) -> float:
        """Before the machine takes a request: drop it if it takes none any more; see if it will be taken away."""
        machine.attend(start)
        if machine.closes_at <= start:
            heappop(self._heap)
        elif finish > machine.killed_at:
            heappush(self._losses, (machine.killed_at, machine.number, machine))
            return min(stop, machine.killed_at)
        return stop

    def _serve_returned(self, stop: float) -> float:
        """Serve what was given back, and return when the next one will be or, failing that, `stop`."""
        heap, arrivals = self._heap, self._arrivals
        while self._returned and heap:
            free_at, number, machine = heap[0]
            start = max(free_at, self._at)
            if start > stop:
                break
            request = self._returned[0]
            seconds = self._services[machine.pool][request]
            finish = start + seconds
            stop = self._attend(machine, start, finish, stop)
            if machine.closes_at <= start:
                continue
            del self._returned[0]
            self.latencies[request] = finish - arrivals[request]
            machine.take(request, finish, seconds)
            heapreplace(heap, (finish, number, machine))
        return stop

    def _serve_next(self, stop: float) -> float:
        """Serve in the order of arrival, and return when the next one is given back or, failing that, `stop`."""
        heap, arrivals, latencies = self._heap, self._arrivals, self.latencies
        self._seen = seen = bisect_left(arrivals, stop, self._seen)
        request = self._next
        while request < seen and heap:
            free_at, number, machine = heap[0]
            arrived = arrivals[request]
            start = arrived if arrived > free_at else free_at  # noqa: FURB136 - a call for each request is slow
            if start > stop:
                break
            seconds = machine.services[request]
            finish = start + seconds
            if finish >= machine.alarm:
                stop = self._attend(machine, start, finish, stop)
                if machine.closes_at <= start:
                    continue
            latencies[request] = finish - arrived
            # As `Machine.take` does: a call for each request would take as long as all the rest.
            machine.free_at = finish
            machine.request = request
            machine.taken += 1
            before = machine.service_before = machine.service_seconds
            machine.service_seconds = seconds if before is None else before + SMOOTHING * (seconds - before)
            heapreplace(heap, (finish, number, machine))
            request += 1
        self._next = request
        return stop

"""A server farm with setup times, request by request: the model in which DelayedOff was published.

M/M/k with setup: one queue, exponential service, the most recently busy server first. An arrival that finds no idle
server waits, and starts one unless as many are in setup as requests wait. A server that was started comes on even if
its request was served elsewhere meanwhile, and goes off after so long without work. There is no autoscaler and no tick.

Source: Gandhi, Gupta, Harchol-Balter, Kozuch, *Optimality analysis of energy-performance trade-off for server farm
management*, Performance Evaluation 67 (2010), and the authors' slides on it.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from burstlens.simulate.outcome import Floats

_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Farm:
    """The servers."""

    service_seconds: float = 1.0
    """The mean of the exponential service times."""
    setup_seconds: float = 200.0
    """From off to on; 0 is no setup."""
    wait_seconds: float = 320.0
    """How long an idle server stays on: 0 is ON/OFF, infinity never off. Here 200 s × 240 W ÷ 150 W: as much energy
    idle as a setup takes."""
    servers: int | None = None
    """The most that may be on or in setup; None is no limit."""
    busy_watts: float = 240.0
    setup_watts: float = 240.0
    idle_watts: float = 150.0


@dataclass(frozen=True, slots=True)
class FarmResult:
    """Means over time, and the mean over requests."""

    response_seconds: float
    kilowatts: float
    busy: float
    """Servers."""
    idle: float
    setup: float
    waiting: float
    """Requests."""


def run_farm(
    farm: Farm, arrivals: Floats, rng: np.random.Generator, *, warm_up_seconds: float = 0.0, on: int = 0
) -> FarmResult:
    """Serve the arrivals.

    Args:
        farm: the servers.
        arrivals: ascending, in seconds.
        rng: where service times come from.
        warm_up_seconds: what happens earlier is not counted.
        on: servers that are idle at the start.

    Raises:
        ValueError: no request arrives after the warm-up.
    """
    counted = len(arrivals) - int(np.searchsorted(arrivals, warm_up_seconds))
    if not counted:
        message = f"no request arrives after the warm-up of {warm_up_seconds:g} s"
        raise ValueError(message)
    state = _State(farm, warm_up_seconds, rng, idle=deque([0.0] * on))
    for at in arrivals.tolist():
        state.pass_until(at)
        state.arrive()
    return state.result(counted)


@dataclass(slots=True)
class _State:
    """The farm at one moment. Service is memoryless, so only how many are busy matters."""

    farm: Farm
    counted_from: float
    rng: np.random.Generator
    idle: deque[float]
    """Since when each idle server is idle; the most recently busy one last."""
    setups: deque[float] = field(default_factory=deque)
    """When each server in setup will be on, the next first."""
    at: float = 0.0
    busy: int = 0
    waiting: int = 0
    areas: list[float] = field(default_factory=lambda: [0.0] * 4)
    """Server-seconds busy, idle and in setup, and request-seconds waiting."""
    draws: list[float] = field(default_factory=list)
    """Of the unit exponential distribution, not used yet."""

    def pass_until(self, end: float) -> None:
        """Let everything happen that happens before `end`."""
        while True:
            done = self.at + self.farm.service_seconds * self._draw() / self.busy if self.busy else _NEVER
            ready = self.setups[0] if self.setups else _NEVER
            off = self.idle[0] + self.farm.wait_seconds if self.idle else _NEVER
            moment = min(done, ready, off, end)
            self._count(moment)
            if moment == end:
                return
            if moment == done:
                self.busy -= 1
                self._free()
            elif moment == ready:
                self.setups.popleft()
                self._free()
            else:
                self.idle.popleft()

    def arrive(self) -> None:
        """One request, now."""
        if self.idle:
            self.idle.pop()
            self.busy += 1
            return
        self.waiting += 1
        on = self.busy + len(self.setups)
        if len(self.setups) < self.waiting and (self.farm.servers is None or on < self.farm.servers):
            self.setups.append(self.at + self.farm.setup_seconds)

    def result(self, requests: int) -> FarmResult:
        """The means since the warm-up."""
        seconds = self.at - self.counted_from
        busy, idle, setup, waiting = (area / seconds for area in self.areas)
        watts = busy * self.farm.busy_watts + idle * self.farm.idle_watts + setup * self.farm.setup_watts
        response = (busy + waiting) * seconds / requests
        return FarmResult(response, watts / 1_000, busy, idle, setup, waiting)

    def _free(self) -> None:
        """A server can take the next request, or idles."""
        if self.waiting:
            self.waiting -= 1
            self.busy += 1
        else:
            self.idle.append(self.at)

    def _count(self, moment: float) -> None:
        seconds = moment - max(self.at, self.counted_from)
        self.at = moment
        if seconds > 0:
            areas = self.areas
            areas[0] += seconds * self.busy
            areas[1] += seconds * len(self.idle)
            areas[2] += seconds * len(self.setups)
            areas[3] += seconds * self.waiting

    def _draw(self) -> float:
        if not self.draws:
            self.draws = self.rng.exponential(size=4_096).tolist()
        return self.draws.pop()

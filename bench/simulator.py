"""How fast the simulator is, on one core: CPU time of whole runs, beside the least that such a run can cost in Python.

That least is the queue alone: for each request, one step of a heap of servers. The rest is the production autoscaler,
tick by tick, and the world around it.
"""

import dataclasses
import heapq
import time
from collections.abc import Callable

import numpy as np
from machine import Machine

from burstlens.clouds.base import Pool
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.arrivals import burst, poisson
from burstlens.simulate.event import simulate
from burstlens.simulate.fluid import flow
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.world import EC2_BILLING, Duration, SimulatedPool, World

SERVICE_SECONDS = 0.5
DAY_SECONDS = 86_400.0


@dataclasses.dataclass(frozen=True)
class AsManyAs:
    """A policy for a fleet of one size while there is work."""

    count: int

    def desired(self, observation: Observation) -> int:
        """Whatever the depth is."""
        return self.count if observation.depth else 0


@dataclasses.dataclass(frozen=True)
class Case:
    """One run and the most that it may take."""

    name: str
    run: Callable[[], Outcome]
    limit_seconds: float
    per_tick: bool = False
    """Whether the limit is for one tick."""


def world(cap: int, service_seconds: float = SERVICE_SECONDS) -> World:
    pool = Pool("public", "ec2", cap=cap, price_per_hour=0.085, billing=EC2_BILLING)
    return World(pools=(SimulatedPool(pool, service=Duration(service_seconds)),))


def options(cap: int, **more: int) -> ScalingOptions:
    return ScalingOptions(max_instances=cap, launches_per_minute=1_000_000).model_copy(update=more)


def cases(rng: np.random.Generator) -> list[Case]:
    million, day = poisson(100.0, 10_000.0, rng), poisson(1.0, DAY_SECONDS, rng)
    # Each is at work for two minutes on two requests: what is measured is the tick, not the requests.
    crowd = burst(20_000)
    week = np.full(round(7 * DAY_SECONDS / 5), 50_000.0)
    return [
        Case("event: 1 M requests, cap 200", lambda: simulate(million, world(200), options(200)), 15.0),
        Case(
            "event: a tick with 10,000 instances",
            lambda: simulate(crowd, world(10_000, 60.0), options(10_000), AsManyAs(10_000)),
            1.0,
            per_tick=True,
        ),
        Case(
            "event: a day of ticks, 3 instances",
            lambda: simulate(day, world(19), options(19, min_instances=3, scale_out_divisor=10, scale_in_divisor=50)),
            8.0,
        ),
        Case(
            "fluid: a week at 10,000 requests/s",
            lambda: flow(week, world(10_000), options(10_000, scale_out_divisor=20, scale_in_divisor=100)),
            60.0,
        ),
    ]


def bare_heap_seconds(arrivals: Floats, servers: int) -> float:
    """CPU time of first come, first served, and nothing else."""
    began = time.process_time()
    heap, latencies = [0.0] * servers, []
    for arrived in arrivals.tolist():
        finish = max(arrived, heap[0]) + SERVICE_SECONDS
        heapq.heapreplace(heap, finish)
        latencies.append(finish - arrived)
    return time.process_time() - began


def main() -> None:
    print(Machine.here())
    rng = np.random.default_rng(1)
    bare = bare_heap_seconds(poisson(100.0, 10_000.0, rng), 60)
    print(f"bare heap, 1 M requests: {bare:.2f} s")
    print(f"\n{'run':38} {'CPU s':>7} {'ticks':>7} {'ms/tick':>8} {'requests':>9} {'limit s':>8} {'of limit':>9}")
    for case in cases(np.random.default_rng(1)):
        began = time.process_time()
        outcome = case.run()
        seconds = time.process_time() - began
        ticks = len(outcome.timeline.at)
        measured = seconds / ticks if case.per_tick else seconds
        print(
            f"{case.name:38} {seconds:7.2f} {ticks:7,} {1000 * seconds / ticks:8.3f} {outcome.requests:9,} "
            f"{case.limit_seconds:8g} {measured / case.limit_seconds:8.0%}"
        )


if __name__ == "__main__":
    main()

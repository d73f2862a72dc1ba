"""Simulated worlds with only what a test is about."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from burstlens.clouds.base import Pool
from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.crew import Crew
from burstlens.simulate.site import Site, services
from burstlens.simulate.world import EC2_BILLING, Duration, SimulatedPool, World

PRIVATE = Pool("private", "openstack", cap=4)
PUBLIC = Pool("public", "ec2", cap=100, order=1, price_per_hour=0.36, billing=EC2_BILLING)
OPTIONS = ScalingOptions(max_instances=100, launches_per_minute=100_000)


def world_of(*pools: SimulatedPool) -> World:
    """Of these pools, by default one public pool: 45 s to boot and 0.5 s for each request."""
    return World(pools=pools or (SimulatedPool(PUBLIC),))


def pool_of(pool: Pool = PUBLIC, *, boot: float = 45.0, service: float = 0.5) -> SimulatedPool:
    """One whose boots and requests always take the same."""
    return replace(SimulatedPool(pool), boot=Duration(boot), service=Duration(service))


def crew_of(arrivals: list[float], *, boot: float = 0.0, service: float = 10.0) -> tuple[Site, Crew]:
    """Workers without an autoscaler; `site.launch("public", …)` brings one."""
    world = world_of(pool_of(boot=boot, service=service))
    site = Site(world)
    return site, Crew(site, np.array(arrivals), services(world, len(arrivals)))


@dataclass
class Scripted:
    """A policy that answers by rote, and keeps what it saw."""

    answer: Callable[[Observation], int]
    seen: list[Observation] = field(default_factory=list)

    def desired(self, observation: Observation) -> int:
        self.seen.append(observation)
        return self.answer(observation)


def while_needed(count: int) -> Scripted:
    """From the first request until nothing is left."""
    return Scripted(lambda seen: count if seen.depth else 0)

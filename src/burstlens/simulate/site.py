"""All machines of a simulated world, and the chances that decide over them."""

from collections.abc import Mapping

import numpy as np

from burstlens.simulate.bill import Stay
from burstlens.simulate.machine import Machine
from burstlens.simulate.outcome import Floats
from burstlens.simulate.world import Duration, SimulatedPool, World

_BOOTS, _REFUSALS, _INTERRUPTIONS, _SERVICES, _COUNTS = range(5)
"""Each kind of chance is drawn on its own, so that two policies meet the same luck as long as they ask for the same."""
_SECONDS_PER_HOUR = 3600.0


class Site:
    """Where simulated machines are, whatever adapter looks at them. All times are seconds since the start."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pools: Mapping[str, SimulatedPool] = {each.pool.name: each for each in world.pools}
        self.present: dict[str, Machine] = {}
        """By id, those that exist or ended so lately that some cloud may still list them."""
        self.changes = 0
        """Goes up whenever a machine comes or is told to go."""
        self.stays: list[Stay] = []
        """Of those that are gone from `present`."""
        self.launched: dict[tuple[str, str], dict[str, Machine]] = {}
        """By fleet and token of the launch call, then by name."""
        self._number = 0
        seeds = {name: number for number, name in enumerate(self.pools)}
        self._boots = {name: _generator(world, _BOOTS, number) for name, number in seeds.items()}
        self._refusals = {name: _generator(world, _REFUSALS, number) for name, number in seeds.items()}
        self._interruptions = {name: _generator(world, _INTERRUPTIONS, number) for name, number in seeds.items()}

    def refuses(self, pool: str) -> bool:
        """Whether there is no machine for this launch call."""
        share = self.pools[pool].capacity_error_share
        return share > 0 and self._refusals[pool].random() < share

    def room(self, pool: str, at: float) -> int | None:
        """How many more the account may have there; None is no limit."""
        quota = self.pools[pool].quota
        if quota is None:
            return None
        return max(0, quota - sum(m.pool == pool and m.ended_at > at for m in self.present.values()))

    def launch(self, pool: str, name: str, fleet: str, at: float) -> Machine:
        """One more machine."""
        simulated = self.pools[pool]
        running_at = at + simulated.pending_seconds
        machine = Machine(
            number=self._number,
            name=name,
            pool=pool,
            fleet=fleet,
            launched_at=at,
            running_at=running_at,
            ready_at=running_at + drawn(simulated.boot, self._boots[pool]),
            heartbeat_seconds=self.world.heartbeat_seconds,
        )
        if simulated.interruptions_per_hour:
            mean_seconds = _SECONDS_PER_HOUR / simulated.interruptions_per_hour
            left_seconds = float(self._interruptions[pool].exponential(mean_seconds))
            machine.interrupt(running_at + left_seconds, simulated.notice_seconds)
        self._number += 1
        self.present[machine.id] = machine
        self.changes += 1
        return machine

    def exists(self, at: float) -> bool:
        """Whether any machine is left."""
        return any(machine.ended_at > at for machine in self.present.values())

    def settle(self, at: float) -> None:
        """Let interruptions have their end, when all that begins until `at` is known."""
        for machine in self.present.values():
            machine.settle(at)

    def forget(self, at: float) -> None:
        """Part with those that every cloud knows to be gone."""
        seen = at - self.world.list_lag_seconds
        gone = [machine for machine in self.present.values() if machine.ended_at <= seen]
        for machine in gone:
            del self.present[machine.id]
            self.stays.append(stay(machine))

    def all_stays(self, until: float) -> list[Stay]:
        """Of all machines there ever were, as if those that still exist ended now."""
        return [*self.stays, *(stay(machine, until) for machine in self.present.values())]


def stay(machine: Machine, until: float = float("inf")) -> Stay:
    """How long it was there."""
    return Stay(machine.pool, machine.launched_at, machine.running_at, min(machine.ended_at, until))


def services(world: World, count: int) -> dict[str, list[float]]:
    """What each of `count` requests takes in each pool: one that is long in one pool is so in all."""
    luck = _generator(world, _SERVICES).standard_normal(count)
    return {each.pool.name: lognormal(each.service, luck).tolist() for each in world.pools}


def count_errors(world: World) -> np.random.Generator:
    """The chances of the queue's counts."""
    return _generator(world, _COUNTS)


def drawn(duration: Duration, rng: np.random.Generator) -> float:
    """One duration."""
    return float(lognormal(duration, rng.standard_normal(1))[0])


def lognormal(duration: Duration, luck: Floats) -> Floats:
    """The durations of so much luck, which is standard normal."""
    seconds = duration.median_seconds * np.exp(duration.sigma * luck)
    return np.clip(seconds, duration.least_seconds, duration.most_seconds)


def _generator(world: World, kind: int, number: int = 0) -> np.random.Generator:
    return np.random.default_rng([world.seed, kind, number])

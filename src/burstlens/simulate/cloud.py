"""A simulated cloud: the port over machines that are times, with lag, refusals, quotas and interruptions."""

from collections.abc import Callable, Sequence

from burstlens.clouds.base import Instance, Pool, Spec
from burstlens.errors import CapacityUnavailable, Misconfigured, QuotaExceeded
from burstlens.simulate.machine import Machine
from burstlens.simulate.site import Site


class SimulatedCloud:
    """One cloud of a simulated world, as an adapter sees it.

    With a list lag it lists what was launched or ended late, as the API below a real adapter does: what a real adapter
    remembers is left out, so the autoscaler has to cope without.
    """

    def __init__(self, site: Site, name: str, elapsed: Callable[[], float], origin: float) -> None:
        """`elapsed` tells the seconds since the start of the run, `origin` is the start in seconds since the epoch."""
        self._site = site
        self._name = name
        self._elapsed = elapsed
        self._origin = origin
        self._pools = frozenset(each.pool.name for each in site.world.pools if each.pool.cloud == name)

    @property
    def name(self) -> str:
        """The name that its pools call it by."""
        return self._name

    async def instances(self, fleet: str) -> list[Instance]:
        """See the port; as it was `list_lag_seconds` ago."""
        at = self._elapsed() - self._site.world.list_lag_seconds
        pools, origin = self._pools, self._origin
        return [
            machine.listed(at, origin)
            for machine in self._site.present.values()
            if machine.launched_at <= at < machine.ended_at and machine.fleet == fleet and machine.pool in pools
        ]

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        """See the port."""
        del spec
        if pool.name not in self._pools:
            message = f"there is no pool {pool.name} on {self._name}"
            raise Misconfigured(message)
        at = self._elapsed()
        born = self._site.launched.setdefault((fleet, token), {})
        new = [name for name in dict.fromkeys(names) if name not in born]
        born |= {name: self._site.launch(pool.name, name, fleet, at) for name in self._granted(pool.name, new, at)}
        return [born[name].listed(at, self._origin) for name in dict.fromkeys(names) if name in born]

    async def drain(self, ids: Sequence[str]) -> None:
        """See the port. It reaches the worker at once: one that boots or is idle is gone."""
        at = self._elapsed()
        for machine in self._known(ids):
            machine.drain(at)

    async def terminate(self, ids: Sequence[str]) -> None:
        """See the port. What the worker holds goes back to the queue at once."""
        at = self._elapsed()
        for machine in self._known(ids):
            machine.terminate(at)

    async def close(self) -> None:
        """See the port."""

    def _granted(self, pool: str, names: Sequence[str], at: float) -> Sequence[str]:
        if not names:
            return names
        if self._site.refuses(pool):
            message = f"there is no machine for {pool} now"
            raise CapacityUnavailable(message)
        room = self._site.room(pool, at)
        if room == 0:
            message = f"the quota of {pool} is used up"
            raise QuotaExceeded(message)
        return names[:room]

    def _known(self, ids: Sequence[str]) -> list[Machine]:
        self._site.changes += 1
        return [self._site.present[id_] for id_ in ids if id_ in self._site.present]

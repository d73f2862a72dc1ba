"""How many more servers the project may have.

Nova counts what its hosts have been given, not what it has just accepted, so creates that follow each other closely
are all let through, and those that were too many end in ``ERROR`` a moment later. So it is asked for no more than fit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from burstlens.errors import Unavailable
from burstlens.openstack.session import OpenStackSession


@dataclass(frozen=True, slots=True)
class Flavor:
    """One kind of server: its id, cores and MiB of memory."""

    id: str
    cores: int
    memory: int


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of the project's limits; None is no limit."""

    instances: int | None
    cores: int | None
    memory: int | None

    def room(self, flavors: Iterable[Flavor]) -> int | None:
        """How many servers of the smallest of these fit; None is any number."""
        kinds = list(flavors)
        needs = (
            (self.instances, 1),
            (self.cores, min(kind.cores for kind in kinds)),
            (self.memory, min(kind.memory for kind in kinds)),
        )
        return min((max(0, left) // need for left, need in needs if left is not None and need), default=None)

    def __str__(self) -> str:
        parts = {"instances": self.instances, "cores": self.cores, "MiB of memory": self.memory}
        return ", ".join(f"{left} {what}" for what, left in parts.items() if left is not None)


async def quota_left(session: OpenStackSession) -> Quota:
    """Ask nova.

    Raises:
        BurstlensError: it does not say.
    """
    limits = (await session.ask("compute", "GET", "/limits", "limits"))["limits"]
    try:
        known = limits["absolute"]
        return Quota(
            _left(known["maxTotalInstances"], known["totalInstancesUsed"]),
            _left(known["maxTotalCores"], known["totalCoresUsed"]),
            _left(known["maxTotalRAMSize"], known["totalRAMUsed"]),
        )
    except (KeyError, TypeError) as error:
        message = f"nova: GET /limits: the answer cannot be read: {limits}"
        raise Unavailable(message) from error


def _left(limit: int, used: int) -> int | None:
    return None if limit < 0 else limit - used

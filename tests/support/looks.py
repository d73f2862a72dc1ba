"""What a peer's policy sees, tick by tick."""

from collections.abc import Callable

from burstlens.scaling.observation import Cohort, Observation, Prospect
from burstlens.scaling.policy.base import Policy
from burstlens.scaling.traffic import Traffic

TICK_SECONDS = 5.0


def look(
    at: float,
    depth: int = 0,
    *,
    running: int = 0,
    pending: int = 0,
    busy: int | None = None,
    in_flight: int = 0,
    total: float = 0.0,
    age_seconds: float = 0.0,
    service_seconds: float = 0.5,
) -> Observation:
    """One look: busy are as many as there are requests unless said otherwise."""
    return Observation(
        depth=depth,
        window=(depth,),
        pending=pending,
        running=running,
        busy=min(running, depth) if busy is None else busy,
        at=at,
        in_flight=in_flight,
        cohorts=(
            Cohort("public", pending, age_seconds, booting=True),
            Cohort("public", running, age_seconds, booting=False),
        ),
        prospects=(Prospect("public", boot_seconds=45.0, service_seconds=service_seconds),),
        traffic=Traffic(at=at, total=total),
    )


def sizes(policy: Policy, ticks: int, see: Callable[[float, int], Observation], size: int = 0) -> list[int]:
    """What the policy wants at each tick of a fleet that is, one tick later, as large as wanted.

    Args:
        policy: fresh.
        ticks: how many.
        see: what it sees at a time, with so many instances.
        size: of the fleet at the start.
    """
    wanted = []
    for tick in range(ticks):
        size = policy.desired(see(1_000.0 + tick * TICK_SECONDS, size))
        wanted.append(size)
    return wanted

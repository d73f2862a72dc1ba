"""The offers of a pool, and which of them its cloud has just refused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from burstlens.clock import Clock
from burstlens.clouds.base import Pool
from burstlens.errors import CapacityUnavailable

_T = TypeVar("_T")

COOL_SECONDS = 60.0
"""How long an offer that had no machine is left alone (R11); AWS says "a few minutes" may bring capacity back, and a
burst cannot wait that long before it looks again."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of machine in one place, for one pool; pools differ in market and template, so they share no offers."""

    pool: str
    instance_type: str = ""
    """Empty is what the cloud takes by default: on EC2 the launch template's."""
    zone: str = ""
    """An availability zone or, on EC2, a subnet; empty leaves it to the cloud."""

    def __str__(self) -> str:
        return f"{self.instance_type or 'the default type'} in {self.zone or 'any zone'}"


def offers_of(pool: Pool) -> tuple[Offer, ...]:
    """All offers of the pool, the preferred first: the next zone is tried before the next type (R11)."""
    zones = pool.zones or ("",)
    return tuple(Offer(pool.name, kind, zone) for kind in pool.instance_types or ("",) for zone in zones)


@dataclass(slots=True)
class Cooling:
    """Offers that had no machine, until they are worth another try."""

    _cold: dict[Offer, tuple[float, str]] = field(default_factory=dict)

    def cool(self, offer: Offer, why: str, now: float) -> None:
        """Leave the offer alone until `COOL_SECONDS` after `now`, or longer if a later refusal says so."""
        self._cold[offer] = max(self._cold.get(offer, (0.0, "")), (now + COOL_SECONDS, why))

    def is_cold(self, offer: Offer, now: float) -> bool:
        """Whether it is to be left alone."""
        until, _ = self._cold.get(offer, (0.0, ""))
        return now < until

    def why(self, offer: Offer) -> str:
        """What the cloud said when it was refused last; empty if it never was."""
        return self._cold.get(offer, (0.0, ""))[1]


async def of_first_offer(pool: Pool, cooling: Cooling, clock: Clock, take: Callable[[Offer], Awaitable[_T]]) -> _T:
    """What the first offer of the pool gives that has a machine; those that have none cool.

    Raises:
        CapacityUnavailable: none has; the text says why of each.
    """
    refusals = []
    for offer in offers_of(pool):
        if not cooling.is_cold(offer, clock.now()):
            try:
                return await take(offer)
            except CapacityUnavailable as error:
                cooling.cool(offer, str(error), clock.now())
        refusals.append(f"{offer}: {cooling.why(offer)}")
    message = f"pool {pool.name} has no offer left: {'; '.join(refusals)}"
    raise CapacityUnavailable(message)

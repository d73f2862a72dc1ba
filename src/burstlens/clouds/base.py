"""The cloud port. What is written here is the contract; tests/contracts/ holds every adapter to it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class State(StrEnum):
    """The life of an instance: pending → running → draining → terminated, or failed."""

    PENDING = "pending"
    RUNNING = "running"
    DRAINING = "draining"
    TERMINATED = "terminated"
    FAILED = "failed"

    @property
    def counts(self) -> bool:
        """Whether it holds a place under the cap: whatever exists does, a failed one until it is removed too."""
        return self is not State.TERMINATED


@dataclass(frozen=True, slots=True)
class Billing:
    """How a cloud charges: per started `increment_seconds`, at least `minimum_seconds` for each launch."""

    increment_seconds: float = 1.0
    minimum_seconds: float = 0.0

    def paid_seconds_left(self, age_seconds: float, tick_seconds: float) -> float:
        """For how much longer an instance is paid for, whether it runs or not; 0 once the next tick is paid anew.

        Args:
            age_seconds: since it was launched, which is a little before the cloud begins to bill.
            tick_seconds: between two decisions; what is billed in finer steps than this is never paid ahead.
        """
        age_seconds = max(0.0, age_seconds)
        left = max(0.0, self.minimum_seconds - age_seconds)
        if not left and self.increment_seconds > tick_seconds:
            left = max(1, math.ceil(age_seconds / self.increment_seconds)) * self.increment_seconds - age_seconds
        return left


class Market(StrEnum):
    """How a machine is paid for."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    """Cheaper; the cloud takes it back after a notice."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Capacity of one cloud that the fleet may use."""

    name: str
    cloud: str
    """Name of the adapter: `local`, `openstack` or `ec2`."""
    cap: int
    """The most instances the fleet may have here."""
    order: int = 0
    """Lower is filled first and emptied last; of the same order, the cheaper one is."""
    price_per_hour: float = 0.0
    instance_types: tuple[str, ...] = ()
    """Kinds of machine (on OpenStack: flavors), the preferred first. With `zones` they are the pool's offers: each type
    in each zone."""
    zones: tuple[str, ...] = ()
    """Availability zones or, on EC2, subnets (``subnet-…``), the preferred first; empty leaves it to the cloud."""
    market: Market = Market.ON_DEMAND
    image: str = ""
    """OpenStack: name or id, of the newest of that name. On EC2, empty is the launch template's."""
    launch_template: str = ""
    """EC2: id (``lt-…``) or name of what every instance has in common."""
    billing: Billing = field(default_factory=Billing)


@dataclass(frozen=True, slots=True)
class Instance:
    """One machine (on a laptop: one process) that runs workers."""

    id: str
    """The cloud's own identifier, never used again for another instance."""
    name: str
    """`app-tier-N`; free again for a new instance once this one is terminated."""
    pool: str
    state: State
    launched_at: float
    """Seconds since the epoch."""
    fault: str = ""
    """Why it failed, in the cloud's words."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What an instance is to run: the environment of its `burstlens worker`."""

    environment: Mapping[str, str]
    """It must hold no secret."""
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    """More of the environment, which only root of the instance may read: credentials that end soon, for an instance
    that its cloud gives none. They are never logged."""


class Cloud(Protocol):
    """One cloud. Every call may be repeated after a failure; none may be cancelled half way by its caller.

    All calls raise `Throttled`, `NotAuthorized`, `Misconfigured` or `Unavailable`.
    """

    @property
    def name(self) -> str:
        """`local`, `openstack`, `ec2`."""

    async def instances(self, fleet: str) -> list[Instance]:
        """All instances of the fleet that are not terminated, by tag, in every pool, complete.

        It includes what the caller launched a moment ago, even where the API lists it late (R1), and never leaves out a
        part silently: when it cannot list all, it raises `Unavailable` (R7).
        """

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        """Start one instance for each name; return those that were born, perhaps fewer than asked for.

        Atomic for each instance: it is born with its name, fleet and pool tags, or it is not born (R3). `token` makes a
        repeated call the same call: names that this token already launched are returned, not launched again.

        Only `Unavailable` leaves open whether any was born: any of the names, or those that `BornUnseen` has.

        Raises:
            CapacityUnavailable: no machine of this kind now.
            QuotaExceeded: the account may not have more.
        """

    async def drain(self, ids: Sequence[str]) -> None:
        """Ask instances to stop receiving, finish and exit. Unknown and ended ones are fine. Returns at once."""

    async def terminate(self, ids: Sequence[str]) -> None:
        """End instances now, whatever they do. Unknown and ended ones are fine. Returns once it is under way."""

    async def close(self) -> None:
        """Release connections and threads; the instances go on."""

"""What a policy may look at: one value for each tick. Pure."""

from dataclasses import dataclass, field

from burstlens.clouds.base import Billing
from burstlens.scaling.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Cohort:
    """Instances of one pool that were launched together and are in the same state."""

    pool: str
    count: int
    age_seconds: float
    """Since they were launched."""
    booting: bool
    """No heartbeat yet."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """A pool as a policy sees it: what the next instance here costs, and when it would be ready."""

    name: str
    boot_seconds: float
    """From launch to first heartbeat, as measured or, before the first, as assumed."""
    service_seconds: float
    """Of one request on one instance of this pool: its measured speed."""
    price_per_hour: float = 0.0
    billing: Billing = field(default_factory=Billing)
    room: int = 0
    """How many more instances it may get now."""
    slow_boot_seconds: float = 0.0
    """What nearly all boots (19 of 20) stay within; 0 is unknown, and then `boot_seconds` has to do."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What a policy may look at."""

    depth: int
    """Requests that still have to be done: visible + in flight + delayed (R6)."""
    window: tuple[int, ...]
    """The last known depths, newest last, this one included, one for each tick.

    A tick whose depth was unknown has no entry: it neither counts as zero (R7) nor makes the window start again (R8).
    """
    pending: int = 0
    """Instances that boot: launched, no heartbeat yet (R1)."""
    running: int = 0
    busy: int = 0
    """Of those running, the ones that hold requests or have not said lately that they hold none."""
    at: float = 0.0
    """Seconds since the epoch."""
    in_flight: int = 0
    """Of the depth, what is leased to a worker."""
    cohorts: tuple[Cohort, ...] = ()
    """The capacity by age: those that boot and those that run, `pending` and `running` in all."""
    prospects: tuple[Prospect, ...] = ()
    """The pools, in the order in which they are filled."""
    traffic: Traffic = field(default_factory=Traffic)
    """What arrived and what waits."""

    @property
    def instances(self) -> int:
        """Capacity that is there or on its way; draining, failed and silent instances are none."""
        return self.pending + self.running

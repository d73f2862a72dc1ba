"""What is simulated: pools, boots, service times and the ways in which clouds and queues disappoint. Values only."""

from dataclasses import dataclass, field

from burstlens.clouds.base import Billing, Pool

EC2_BILLING = Billing(increment_seconds=1.0, minimum_seconds=60.0)
"""Per second, at least a minute for each launch: Linux on EC2."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How long something takes: always the same, or lognormal within bounds."""

    median_seconds: float
    sigma: float = 0.0
    """Of the logarithm; 0 is always the same."""
    least_seconds: float = 0.0
    most_seconds: float = float("inf")
    """Drawn values are clipped to these."""


@dataclass(frozen=True, slots=True)
class SimulatedPool:
    """One pool and how its cloud behaves."""

    pool: Pool
    pending_seconds: float = 0.0
    """From the launch call to `running`: not billed."""
    boot: Duration = Duration(45.0)
    """From `running` to the first heartbeat: billed."""
    service: Duration = Duration(0.5)
    """Of one request on one instance, which serves one request at a time."""
    capacity_error_share: float = 0.0
    """Of the launch calls, answered by `CapacityUnavailable`."""
    quota: int | None = None
    """Instances that the account may have here, whatever the pool's cap; beyond it, `QuotaExceeded`."""
    interruptions_per_hour: float = 0.0
    """Of each running instance (spot); it drains for `notice_seconds` and is then gone."""
    notice_seconds: float = 120.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the autoscaler."""

    pools: tuple[SimulatedPool, ...] = field(
        default=(SimulatedPool(Pool("public", "ec2", cap=19, price_per_hour=0.085, billing=EC2_BILLING)),)
    )
    list_lag_seconds: float = 0.0
    """How late the cloud lists what was launched or ended."""
    depth_lag_seconds: float = 0.0
    """How old the depth is that the queue tells (SQS: its counts are approximate)."""
    depth_error_share: float = 0.0
    """Each count is off by up to this share of itself, uniformly."""
    heartbeat_seconds: float = 5.0
    """Between two heartbeats of one worker."""
    seed: int = 0

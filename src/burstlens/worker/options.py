"""What a worker may be told."""

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field


class WorkerOptions(BaseModel):
    """Settings of the app tier; all times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processes: int = Field(default=0, ge=0, le=1024)
    """Worker processes for each instance, each on one core with one model thread; 0 is one for each core."""
    prefetch: int = Field(default=1, ge=0, le=9)
    """Requests held ready behind the one in work, so that the model never waits for the queue."""
    decode_seconds: float = Field(default=20.0, gt=0)
    """CPU time that one image may take; then it is an error result, and the process ends and is replaced."""
    receive_wait_seconds: float = Field(default=20.0, gt=0, le=20)
    """How long one receive waits for a request (SQS allows at most 20)."""
    retry_seconds: float = Field(default=1.0, gt=0)
    """Pause before a request whose attempt failed may be received again, and between tries of a failing backend."""
    heartbeat_seconds: float = Field(default=3.0, gt=0)
    orphan_seconds: float = Field(default=300.0, gt=0)
    """A fleet's worker that is idle this long while no autoscaler is alive ends by itself (R3)."""
    lifetime_seconds: float = Field(default=0.0, ge=0)
    """The worker drains and ends at this age; 0 is never."""
    ends_at: float = Field(default=0.0, ge=0)
    """The worker drains so that it has ended by then, in seconds since the epoch; 0 is never. Whoever gives an instance
    credentials that end sets it (`burstlens.aws.worker_credentials`)."""
    drain_seconds: float = Field(default=60.0, gt=0)
    """The most that a drain waits for held requests before it leaves them to their leases."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a worker is, in heartbeats, results and logs."""

    worker: str
    """Unique among all worker processes of the fleet."""
    instance: str
    """`app-tier-N`, or the host's name when it was started by hand."""
    pool: str = ""
    managed: bool = False
    """Started by an autoscaler, so it must not outlive one."""

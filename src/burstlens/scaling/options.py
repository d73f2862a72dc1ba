"""What the autoscaler may be told."""

import math
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from burstlens.scaling.timetable import Shift


class ScalingOptions(BaseModel):
    """Settings of the autoscaler; all times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    policy: str = "queue-ratio"
    """Name in `burstlens.scaling.policy.POLICIES`."""
    tick_seconds: float = Field(default=5.0, gt=0, le=60)
    """Between two looks at the queue and the fleet."""
    min_instances: int = Field(default=0, ge=0)
    max_instances: int = Field(default=19, ge=0)
    """The hard cap: whatever exists counts, draining and failed instances too."""
    scale_out_divisor: int = Field(default=2, ge=1)
    """`queue-ratio`: requests for each instance on the way up."""
    scale_in_divisor: int = Field(default=10, ge=1)
    """`queue-ratio`: requests for each instance on the way down."""
    window: int = Field(default=6, ge=1, le=1000)
    """`queue-ratio`: ticks with a known depth over which the wish for fewer instances has to hold."""
    deadline_seconds: float = Field(default=30.0, gt=0)
    """`deadline`: from a request's arrival to its answer."""
    attainment: float = Field(default=0.99, gt=0, lt=1)
    """`deadline`: the share of requests that is to meet the deadline."""
    waiting_price_per_hour: float = Field(default=0.0, ge=0)
    """`deadline`: what an hour of one request's waiting is worth, in the unit of the pools' prices; more is faster and
    dearer."""
    target_backlog: float = Field(default=10.0, gt=0)
    """`target-tracking`: requests waiting or under work for each instance."""
    scale_in_seconds: float = Field(default=300.0, ge=0)
    """`target-tracking`: how long the wish for fewer instances has to hold."""
    schedule: tuple[str, ...] = ()
    """`schedule`: ``DAYS HH:MM-HH:MM COUNT`` in UTC, such as ``mon-fri 08:00-18:00 4``; of those that hold, the largest
    counts."""

    standby: int = Field(default=0, ge=0)
    """Instances kept ready beyond what the policy wants."""
    boot_seconds: float = Field(default=45.0, ge=0)
    """What a boot is assumed to take before the first was measured."""
    service_seconds: float = Field(default=0.5, gt=0)
    """What a request is assumed to take on one instance before the first was measured."""
    budget_per_hour: float | None = Field(default=None, ge=0)
    """The most that may be spent in any 60 minutes, in the unit of the pools' prices; None is no limit (R16)."""
    budget_per_day: float | None = Field(default=None, ge=0)
    """The same for any 24 hours."""
    launches_per_minute: int = Field(default=60, ge=1)
    """The most instances launched in any 60 seconds."""

    depth_stale_seconds: float = Field(default=60.0, gt=0)
    """A depth counted longer ago than this is unknown."""
    heartbeat_stale_seconds: float = Field(default=15.0, gt=0)
    """A heartbeat older than this says nothing of whether its worker is busy."""
    boot_allowance_seconds: float = Field(default=120.0, gt=0)
    """An instance that is silent for this long, since its launch or its last heartbeat, is replaced."""
    drain_grace_seconds: float = Field(default=120.0, gt=0)
    """A draining instance that holds nothing, or is silent, is terminated after this."""
    busy_drain_seconds: float = Field(default=900.0, gt=0)
    """A draining instance is terminated after this even if it says that it is busy."""
    heartbeat_forget_seconds: float = Field(default=600.0, gt=0)
    """Heartbeats older than this whose instance is gone are deleted."""

    listing_grace_seconds: float = Field(default=30.0, ge=0)
    """How long a launch counts although no cloud lists it yet."""
    capacity_cooldown_seconds: float = Field(default=60.0, ge=0)
    """Pause of a pool whose cloud had no machine."""
    quota_cooldown_seconds: float = Field(default=600.0, ge=0)
    """Pause of a pool whose quota is used up."""
    failed_boots: int = Field(default=3, ge=1)
    """So many instances of a pool in a row that never beat close it for `failed_boots_cooldown_seconds`."""
    failed_boots_cooldown_seconds: float = Field(default=300.0, ge=0)

    @property
    def window_ticks(self) -> int:
        """How many known depths any policy looks back on."""
        return max(self.window, 1 + math.ceil(self.scale_in_seconds / self.tick_seconds))

    @field_validator("schedule", mode="before")
    @classmethod
    def _listed(cls, entries: object) -> object:
        if isinstance(entries, str):
            message = f"{entries!r}: it is a list of entries, such as ['mon-fri 08:00-18:00 4']"
            raise ValueError(message)  # of a TypeError, pydantic makes no message
        return entries

    @field_validator("schedule")
    @classmethod
    def _readable(cls, entries: tuple[str, ...]) -> tuple[str, ...]:
        for entry in entries:
            Shift.parse(entry)
        return entries

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problem = ""
        if self.min_instances > self.max_instances:
            problem = f"min_instances ({self.min_instances}) is more than max_instances ({self.max_instances})"
        elif self.scale_in_divisor < self.scale_out_divisor:
            problem = (
                f"scale_in_divisor ({self.scale_in_divisor}) is less than scale_out_divisor "
                f"({self.scale_out_divisor}), so the fleet would shrink below what it then grows back to"
            )
        elif self.heartbeat_stale_seconds > self.boot_allowance_seconds:
            problem = (
                f"heartbeat_stale_seconds ({self.heartbeat_stale_seconds:g}) is more than "
                f"boot_allowance_seconds ({self.boot_allowance_seconds:g})"
            )
        elif self.drain_grace_seconds > self.busy_drain_seconds:
            problem = (
                f"drain_grace_seconds ({self.drain_grace_seconds:g}) is more than "
                f"busy_drain_seconds ({self.busy_drain_seconds:g})"
            )
        if problem:
            raise ValueError(problem)
        return self

"""What the autoscaler saw, wanted and did in one tick: one value, one line in the log."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from burstlens.queues.base import Depth
from burstlens.scaling.members import Activity, Member


@dataclass(frozen=True, slots=True)
class Census:
    """How many instances there were of each kind when the decision was made."""

    pending: int = 0
    """Booting, launches of unknown outcome included."""
    running: int = 0
    draining: int = 0
    failed: int = 0
    """Failed or silent."""

    @classmethod
    def of(cls, members: Sequence[Member]) -> "Census":
        """Count a fleet."""
        counts = Counter(member.activity for member in members)
        return cls(
            pending=counts[Activity.BOOTING],
            running=counts[Activity.IDLE] + counts[Activity.BUSY],
            draining=counts[Activity.DRAINING],
            failed=counts[Activity.FAILED] + counts[Activity.SILENT],
        )

    @property
    def capacity(self) -> int:
        """What policies call instances: those that work or are on their way."""
        return self.pending + self.running

    @property
    def total(self) -> int:
        """All that exist and count towards the cap."""
        return self.pending + self.running + self.draining + self.failed


@dataclass(frozen=True, slots=True)
class Decision:
    """One tick. Two decisions are equal when they saw, wanted and did the same, whenever that was."""

    at: float = field(compare=False)
    """Seconds since the epoch."""
    policy: str
    depth: Depth | None
    """None when it was unknown."""
    census: Census | None
    """None when a cloud could not be listed."""
    wanted: int | None
    """What the policy wants; None when something that it has to know was unknown."""
    why: str
    launched: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why each instance was to go, and why fewer than wanted were launched, one clause each."""
    held: tuple[str, ...] = ()
    """What was not known, not allowed or refused, one sentence each."""

    def line(self) -> dict[str, Any]:
        """The decision as the fields of one log line; empty ones are left out."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in {"at", "depth", "census"}}
        for part in (self.depth, self.census):
            if part is not None:
                plain |= {f.name: getattr(part, f.name) for f in fields(part) if f.name != "age_seconds"}
        return {name: value for name, value in plain.items() if value not in ((), None)}

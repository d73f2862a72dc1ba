"""What the autoscaler saw, wanted and did in one tick: one value, one line in the log."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from burstlens.queues.base import Depth
from burstlens.scaling.fleet import Fleet
from burstlens.scaling.members import Activity, Member
from burstlens.scaling.observation import Observation, Prospect
from burstlens.scaling.placement import Plan


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
class Presence:
    """How far what was launched has come; see `burstlens.scaling.fleet.Fleet`. Counts: a line must stay a line."""

    requested: tuple[str, ...] = ()
    """The gap by name: launched, and listed by no cloud yet."""
    listed: int = 0
    """Observed by a cloud."""
    beating: int = 0
    """Of those, observed by heartbeat."""

    @classmethod
    def of(cls, fleet: Fleet) -> "Presence":
        """Count the three sets."""
        return cls(tuple(sorted(fleet.requested)), len(fleet.listed), len(fleet.beating))


@dataclass(frozen=True, slots=True)
class Load:
    """What came in so far."""

    arrived: float = 0.0
    """Requests that came since the count before."""
    total: float = 0.0
    """Requests that came since this autoscaler started, what it found then included."""
    oldest_seconds: float = field(default=0.0, compare=False)
    """How long the oldest of those that still have to be done has been known."""

    @classmethod
    def of(cls, observation: Observation) -> "Load":
        """Read the books of one tick."""
        traffic = observation.traffic
        oldest_seconds = observation.at - traffic.backlog[0].at if traffic.backlog else 0.0
        return cls(traffic.arrived, traffic.total, oldest_seconds)


@dataclass(frozen=True, slots=True)
class Placed:
    """What placement planned, whatever became of it."""

    launches: Mapping[str, int] = field(default_factory=dict)
    """By pool; pools without a launch are left out."""
    drains: int = 0
    terminations: int = 0

    @classmethod
    def of(cls, plan: Plan) -> "Placed":
        """Count a plan."""
        launches = {pool: len(names) for pool, names in plan.launches.items()}
        return cls(launches, len(plan.drains), len(plan.terminations))


@dataclass(frozen=True, slots=True)
class Decision:
    """One tick. Two decisions are equal when they saw, wanted and did the same, whenever that was.

    As JSON it is one line; a reader ignores fields that it does not know and takes the defaults for those it misses.
    """

    at: float = field(compare=False)
    """Seconds since the epoch."""
    policy: str = ""
    depth: Depth | None = None
    """None when it was unknown."""
    census: Census | None = None
    """None when a cloud could not be listed."""
    wanted: int | None = None
    """What the policy wants; None when something that it has to know was unknown."""
    why: str = ""
    launched: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    terminated: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why each instance was to go, and why fewer than wanted were launched, one clause each."""
    held: tuple[str, ...] = ()
    """What was not known, not allowed or refused, one sentence each."""
    presence: Presence | None = None
    """None when a cloud could not be listed."""
    pools: Mapping[str, int] = field(default_factory=dict)
    """By pool, all instances that exist and those of unknown outcome; pools without any are left out."""
    load: Load | None = None
    """None when the depth was unknown."""
    prospects: tuple[Prospect, ...] = field(default=(), compare=False)
    """Pools as the policy saw them, with what boots and requests are estimated to take: figures that never stand still,
    so they make no decision another one."""
    allowed: int | None = None
    """What the guardrails left of `wanted`; None when it is unknown."""
    guarded: tuple[str, ...] = ()
    """What each guardrail changed, one clause each."""
    placed: Placed = field(default_factory=Placed)
    term: int = 0
    """The fencing token of the autoscaler that decided."""
    until: float | None = field(default=None, compare=False)
    """When the same was decided for the last time, in seconds since the epoch; None is once, at `at`."""

    @property
    def ended_at(self) -> float:
        """The last tick that decided this, in seconds since the epoch."""
        return self.at if self.until is None else self.until

    @property
    def finished(self) -> float | None:
        """Requests done since this autoscaler started; None when it is unknown."""
        return None if self.load is None or self.depth is None else max(0.0, self.load.total - self.depth.total)

    @classmethod
    def from_json(cls, line: str | bytes) -> "Decision":
        """Read what `to_json` wrote.

        Raises:
            ValueError: it is no decision.
        """
        try:
            return _adapter().validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            message = f"not a decision: {first['msg']}"
            raise ValueError(message) from None

    def to_json(self) -> str:
        """One line without what has its default; the inverse of `from_json`."""
        return _adapter().dump_json(self, exclude_defaults=True).decode()

    def line(self) -> dict[str, Any]:
        """The decision as the fields of one log line; empty ones are left out, and of prospects all but estimates."""
        left_out = {"at", "until", "prospects", "placed"}
        plain: dict[str, Any] = _adapter().dump_python(self, mode="json", exclude=left_out)
        for part in ("depth", "census", "presence", "load"):
            plain |= plain.pop(part) or {}
        plain.pop("age_seconds", None)
        acts = {"launches": dict(self.placed.launches), "drains": self.placed.drains}
        acts |= {"terminations": self.placed.terminations, "term": plain.pop("term")}
        plain |= {name: value for name, value in acts.items() if value}
        plain["boot_seconds"] = {prospect.name: round(prospect.boot_seconds, 3) for prospect in self.prospects}
        plain["service_seconds"] = {prospect.name: round(prospect.service_seconds, 4) for prospect in self.prospects}
        return {name: value for name, value in plain.items() if value not in ([], {}, None)}


@functools.cache
def _adapter() -> TypeAdapter[Decision]:
    return TypeAdapter(Decision)

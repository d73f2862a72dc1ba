"""What became of one request of a workload."""

from dataclasses import dataclass
from enum import StrEnum

from burstlens.messages import Timings
from burstlens.workload.expectations import is_right


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no label: `kind` groups equal ones (`http-503`, `timeout`, `not-an-image` …), `message` explains."""

    kind: str
    message: str


class Verdict(StrEnum):
    """An outcome in one word."""

    RIGHT = "right"
    WRONG = "wrong"
    UNJUDGED = "unjudged"
    """It has a label, and nothing is known about which would be right."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request that ended, with a label or with a problem. Offsets count from the beginning of the run."""

    index: int
    """0 for the first request that was planned."""
    image: str
    """File name."""
    scheduled_seconds: float
    """Offset at which the arrivals wanted it."""
    started_seconds: float
    """Offset at which it was sent."""
    latency_seconds: float
    """From sending to the last byte of the answer, waits for retries included."""
    status: int | None = None
    """Last HTTP status; None when there was no answer."""
    label: str | None = None
    score: float | None = None
    instance: str = ""
    timings: Timings | None = None
    expected: str | None = None
    problem: Problem | None = None

    @property
    def late_seconds(self) -> float:
        """How long after its arrival it was sent."""
        return self.started_seconds - self.scheduled_seconds

    @property
    def ended_seconds(self) -> float:
        """Offset at which it ended."""
        return self.started_seconds + self.latency_seconds

    @property
    def verdict(self) -> Verdict:
        """Right, wrong, unjudged or failed."""
        if self.label is None:
            return Verdict.FAILED
        if self.expected is None:
            return Verdict.UNJUDGED
        return Verdict.RIGHT if is_right(self.label, self.expected) else Verdict.WRONG

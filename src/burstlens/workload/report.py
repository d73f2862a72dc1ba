"""What a run of a workload came to, in figures, and as a JSON document."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.run import Run

SCHEMA_VERSION = 1
"""Raised when a key of the JSON document changes its meaning or goes away; new keys may come at any time."""


def percentile(values: Sequence[float], percent: int) -> float:
    """The `percent`-th percentile of ascending `values` by nearest rank: a value that occurred, no interpolation.

    Rank ⌈percent · n / 100⌉, as numpy's method ``inverted_cdf``.

    Raises:
        ValueError: there are no values, or `percent` is not in 1..100.
    """
    if not values or not 1 <= percent <= 100:
        message = "a percentile needs at least one value and a percent in 1..100"
        raise ValueError(message)
    # in whole numbers, since 0.07 * 100 is more than 7 in floating point
    return values[-(-percent * len(values) // 100) - 1]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from sending to the answer's last byte, over the requests that got a label; see `percentile`."""

    mean: float
    p50: float
    p95: float
    p99: float
    max: float

    @classmethod
    def of(cls, seconds: Iterable[float]) -> "Latency | None":
        """Summarise; None when there is nothing to summarise."""
        values = sorted(seconds)
        if not values:
            return None
        return cls(
            mean=sum(values) / len(values),
            p50=percentile(values, 50),
            p95=percentile(values, 95),
            p99=percentile(values, 99),
            max=values[-1],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """A run in figures."""

    planned: int
    answered: int
    """Got a label."""
    failed: int
    unanswered: int
    """Planned, but the run was stopped before they ended."""
    judged: int
    """Answered, with a known right label."""
    right: int
    elapsed_seconds: float
    latency_seconds: Latency | None
    """None when nothing was answered."""
    late_start_seconds: float
    """The longest delay from an arrival to its start. Open loop: how far the generator fell behind; closed loop: the
    longest wait for a free place."""
    problems: Mapping[str, int]
    """Failed requests by kind, the most frequent first."""
    instances: Mapping[str, int]
    """Answers by the instance that recognised, where the server tells; by name."""
    outcomes: tuple[Outcome, ...]
    """In the order of the plan."""

    @property
    def wrong(self) -> int:
        """Answered with another label than the expected one."""
        return self.judged - self.right

    @property
    def throughput_per_second(self) -> float:
        """Answers per second of the whole run."""
        return self.answered / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    @property
    def ok(self) -> bool:
        """Whether every planned request was answered, and none of them wrongly."""
        return self.answered == self.planned and not self.wrong


def report(run: Run) -> Report:
    """Count and measure a run."""
    outcomes = tuple(sorted(run.outcomes, key=lambda outcome: outcome.index))
    answered = [outcome for outcome in outcomes if outcome.label is not None]
    verdicts = Counter(outcome.verdict for outcome in outcomes)
    problems = Counter(outcome.problem.kind for outcome in outcomes if outcome.problem)
    instances = Counter(outcome.instance for outcome in answered if outcome.instance)
    return Report(
        planned=run.planned,
        answered=len(answered),
        failed=verdicts[Verdict.FAILED],
        unanswered=run.planned - len(outcomes),
        judged=verdicts[Verdict.RIGHT] + verdicts[Verdict.WRONG],
        right=verdicts[Verdict.RIGHT],
        elapsed_seconds=run.elapsed_seconds,
        latency_seconds=Latency.of(outcome.latency_seconds for outcome in answered),
        late_start_seconds=max((outcome.late_seconds for outcome in outcomes), default=0),
        problems=dict(problems.most_common()),
        instances=dict(sorted(instances.items())),
        outcomes=outcomes,
    )


def to_plain(whole: Report, workload: Mapping[str, Any]) -> dict[str, Any]:
    """The report as JSON-ready values with stable keys; `workload` says what was asked for, and is copied as it is."""
    plain = asdict(whole)
    outcomes = plain.pop("outcomes")
    for row, outcome in zip(outcomes, whole.outcomes, strict=True):
        row["verdict"] = outcome.verdict.value
        row["timings"] = outcome.timings.model_dump() if outcome.timings else None
    return {
        "schema_version": SCHEMA_VERSION,
        "workload": dict(workload),
        **plain,
        "wrong": whole.wrong,
        "ok": whole.ok,
        "throughput_per_second": whole.throughput_per_second,
        "outcomes": outcomes,
    }


def write_json(path: Path, whole: Report, workload: Mapping[str, Any]) -> None:
    """Write the report as one JSON document."""
    path.write_text(json.dumps(to_plain(whole, workload), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

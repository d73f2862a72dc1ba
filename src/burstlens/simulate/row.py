"""What a simulated run came to, in numbers that fit a table, a plot and a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from burstlens.simulate.outcome import Floats, Outcome, Timeline

SHARES = np.linspace(0.0, 1.0, 201)
"""Of the answered requests, for which a row knows the latency: every half per cent."""
MOST_MOMENTS = 600
"""Moments that a row keeps of a timeline: more than a plot has columns for."""


@dataclass(frozen=True, slots=True)
class Row:
    """One policy in one setting on one scenario."""

    policy: str
    """As it was asked for: ``keda``, ``deadline``."""
    setting: str
    """Which of its settings; empty for the scenario's own."""
    requests: int
    unanswered: int
    attainment: float
    """Share of the requests that were answered within the deadline."""
    billed_seconds: float
    money: float
    mean_seconds: float
    p50_seconds: float
    p95_seconds: float
    p99_seconds: float
    launches: int
    peak: int
    quantiles: Floats
    """Latency in seconds at each of `SHARES`."""
    timeline: Timeline
    """Of `MOST_MOMENTS` moments at most."""

    @classmethod
    def of(cls, outcome: Outcome, policy: str, setting: str, deadline_seconds: float) -> Self:
        """The row of an outcome."""
        latencies = outcome.latencies
        return cls(
            policy=policy,
            setting=setting,
            requests=outcome.requests,
            unanswered=outcome.unanswered,
            attainment=outcome.attainment(deadline_seconds),
            billed_seconds=float(outcome.billed_seconds),
            money=float(outcome.money),
            mean_seconds=outcome.mean_seconds,
            p50_seconds=outcome.percentile(0.50),
            p95_seconds=outcome.percentile(0.95),
            p99_seconds=outcome.percentile(0.99),
            launches=int(outcome.launches),
            peak=int(outcome.peak),
            quantiles=np.quantile(latencies, SHARES) if len(latencies) else np.zeros(len(SHARES)),
            timeline=thinned(outcome.timeline),
        )

    @property
    def name(self) -> str:
        """Policy and setting in one word, as `burstlens simulate --policy` takes it."""
        return f"{self.policy}:{self.setting}" if self.setting else self.policy

    def figures(self) -> dict[str, Any]:
        """The numbers without the curves, for files."""
        names = [field.name for field in fields(self) if field.name not in {"quantiles", "timeline"}]
        return {name: getattr(self, name) for name in names}


def thinned(whole: Timeline, most: int = MOST_MOMENTS) -> Timeline:
    """The timeline in at most `most` slices of the same number of ticks.

    A slice has all its arrivals, and the highest backlog and number of instances, so that no peak is lost.
    """
    count = len(whole.at)
    if count <= most:
        return whole
    starts = np.arange(0, count, -(-count // most))
    lasts = np.append(starts[1:], count) - 1
    instances: Mapping[str, Floats] = {
        pool: np.maximum.reduceat(values, starts) for pool, values in whole.instances.items()
    }
    return Timeline(
        at=whole.at[starts],
        arrivals=np.add.reduceat(whole.arrivals, starts),
        backlog=np.maximum.reduceat(whole.backlog, starts),
        instances=instances,
        money=whole.money[lasts],
    )


def best(rows: list[Row], attainment: float) -> Row:
    """The cheapest row that attains so much; where none does, the one that attains most, and of those the cheapest.

    Raises:
        ValueError: there are no rows.
    """
    good = [row for row in rows if row.attainment >= attainment]
    return min(good, key=lambda row: row.money) if good else min(rows, key=lambda row: (-row.attainment, row.money))

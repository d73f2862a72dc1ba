"""Rows and studies with made-up figures."""

import numpy as np

from burstlens.simulate.oracle import Bound
from burstlens.simulate.outcome import Timeline
from burstlens.simulate.pareto import Sweep
from burstlens.simulate.report import Study
from burstlens.simulate.row import SHARES, Row


def row(
    policy: str = "deadline",
    setting: str = "",
    money: float = 1.0,
    billed_seconds: float = 3600.0,
    attainment: float = 1.0,
    mean_seconds: float = 10.0,
    peak: int = 4,
    kept: int = 0,
    private: int = 0,
) -> Row:
    """A row of half an hour, after which `kept` instances stay; up to `private` are on the private cloud."""
    at = np.arange(0.0, 1800.0, 5.0)
    instances = np.full(len(at), float(peak))
    instances[-1] = kept
    return Row(
        policy=policy,
        setting=setting,
        requests=100,
        unanswered=0,
        attainment=attainment,
        billed_seconds=billed_seconds,
        money=money,
        mean_seconds=mean_seconds,
        p50_seconds=mean_seconds,
        p95_seconds=2 * mean_seconds,
        p99_seconds=3 * mean_seconds,
        launches=peak,
        peak=peak,
        quantiles=3 * mean_seconds * SHARES,
        timeline=Timeline(
            at=at,
            arrivals=np.ones(len(at)),
            backlog=np.minimum(at, 100.0),
            instances={"private": np.minimum(instances, private), "public": np.maximum(instances - private, 0)},
            money=np.linspace(0.0, money, len(at)),
        ),
    )


def study(
    rows: list[Row], sweep: list[Row] | None = None, title: str = "a title", boot_seconds: float = 20.0, **asked: str
) -> Study:
    """A study of these rows."""
    return Study(
        title=title,
        command="burstlens simulate --arrivals burst:100",
        asked=asked,
        deadline_seconds=30.0,
        attainment=0.99,
        boot_seconds=boot_seconds,
        rows=rows,
        sweep=Sweep(sweep or []),
        bound=Bound(True, 3000.0, 0.9, "optimal", 0.1),
    )

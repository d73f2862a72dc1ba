"""Unit commitment of a fleet as a sparse linear problem: what any schedule, even a clairvoyant one, has to respect."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burstlens.simulate.outcome import Floats

Ints = NDArray[np.int64]
Term = tuple[float, Ints]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Instances that one pool can give; durations in whole steps."""

    cap: int
    price: float
    """Of one instance for one step."""
    boot: int
    """Paid steps from the launch until it serves."""
    minimum: int
    """Steps paid for each launch at least; no fewer than `boot`."""


@dataclass(frozen=True, slots=True)
class Load:
    """What has to be served, and how much of it may be late."""

    arrivals: Floats
    """Requests in each step, servable from that step on. The first and last ones are empty: launches precede requests,
    and none is made in the last `minimum` steps."""
    due: int
    """Steps after the one in which a request arrives, until the one by whose end it has to be served."""
    work: float
    """Steps of one instance that a request takes."""
    late: int
    """Requests that may miss the deadline."""
    leave: float
    """What it costs to leave a late request for after the last step; infinite: all have to be served."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Minimise ``cost · x`` such that ``matrix · x ≤ limits`` and ``0 ≤ x ≤ most``."""

    cost: Floats
    matrix: Any
    """A `scipy.sparse.csr_array`."""
    limits: Floats
    most: Floats
    steps: int
    pools: int

    def launched(self, solution: Floats) -> Floats:
        """Launches until the end of each step, one row for each pool."""
        return solution[: self.pools * self.steps].reshape(self.pools, self.steps)

    def instances(self, solution: Floats) -> Floats:
        """Instances that are paid for in each step, one row for each pool."""
        both = solution[: 2 * self.pools * self.steps].reshape(2, self.pools, self.steps)
        return np.asarray(both[0] - both[1])


class _Rows:
    """Rows of the matrix, one for each step at a time. A state before the first step is 0 and has no column."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.rows: list[Ints] = []
        self.columns: list[Ints] = []
        self.values: list[Floats] = []
        self.limits: list[Floats] = []

    def at(self, state: int, lag: int = 0) -> Ints:
        """Columns of a state `lag` steps ago, for each step."""
        step = np.arange(self.steps) - lag
        return np.where(step >= 0, state * self.steps + step, -1)

    def at_most(self, limit: Floats | float, *terms: Term) -> None:
        """In each step: Σ factor × state ≤ limit."""
        first = self.steps * len(self.limits)
        for factor, columns in terms:
            known = np.flatnonzero(columns >= 0)
            self.rows.append(first + known)
            self.columns.append(columns[known])
            self.values.append(np.full(len(known), factor))
        self.limits.append(np.broadcast_to(np.asarray(limit, dtype=np.float64), (self.steps,)))

    def grows(self, state: int) -> None:
        """A running sum of what cannot be undone."""
        self.at_most(0.0, (1.0, self.at(state, 1)), (-1.0, self.at(state)))


def commitment(load: Load, fleets: Sequence[Fleet]) -> Problem:
    """The problem, with running sums as its states: a row has few entries however long the window that it speaks of.

    The states at the end of each step are, for each pool, launches and ends so far (their difference is paid for);
    then requests that wait and have to be in time; requests so far that need not be; and those of them that wait.
    Requests of both kinds are told apart when they arrive: an excuse cannot be used for another request later on.
    """
    steps, pools = len(load.arrivals), len(fleets)
    rows = _Rows(steps)
    waiting, late, late_waiting = 2 * pools, 2 * pools + 1, 2 * pools + 2
    ready: list[Term] = []
    for launches, fleet in enumerate(fleets):
        ends = pools + launches
        rows.grows(launches)
        rows.grows(ends)
        rows.at_most(0.0, (1.0, rows.at(ends)), (-1.0, rows.at(launches, fleet.minimum)))
        rows.at_most(float(fleet.cap), (1.0, rows.at(launches)), (-1.0, rows.at(ends)))
        ready += [(-1.0, rows.at(launches, fleet.boot)), (1.0, rows.at(ends))]
    lateness: list[Term] = [(1.0, rows.at(late)), (-1.0, rows.at(late, 1))]
    left: list[Term] = [(1.0, rows.at(waiting)), (-1.0, rows.at(waiting, 1))]
    late_left: list[Term] = [(1.0, rows.at(late_waiting)), (-1.0, rows.at(late_waiting, 1))]
    recent = window(load.arrivals, load.due)
    if load.late:
        rows.grows(late)
        rows.at_most(load.arrivals, *lateness)
        # Late ones leave the queue by being served, which takes capacity; they never come back as served in time.
        rows.at_most(0.0, *late_left, *scaled(-1.0, lateness))
        left += late_left
        rows.at_most(recent, (1.0, rows.at(waiting)), (1.0, rows.at(late)), (-1.0, rows.at(late, load.due)))
    else:
        rows.at_most(recent, (1.0, rows.at(waiting)))
    # What arrived and is no longer there was served by somebody.
    rows.at_most(-load.work * load.arrivals, *scaled(-load.work, left), *ready)
    return _assembled(rows, load, fleets)


def scaled(factor: float, terms: Sequence[Term]) -> list[Term]:
    """All terms times `factor`."""
    return [(factor * own, columns) for own, columns in terms]


def window(values: Floats, length: int) -> Floats:
    """In each step, the sum over it and the `length` − 1 steps before."""
    total = np.concatenate([np.zeros(length), np.cumsum(values)])
    return np.asarray(total[length:] - total[:-length]) if length else np.zeros(len(values))


def _assembled(rows: _Rows, load: Load, fleets: Sequence[Fleet]) -> Problem:
    from scipy.sparse import csr_array  # type: ignore[import-untyped]

    steps, pools = rows.steps, len(fleets)
    size = steps * (2 * pools + (3 if load.late else 1))
    cost, most = np.zeros(size), np.full(size, np.inf)
    for launches, fleet in enumerate(fleets):
        cost[launches * steps : (launches + 1) * steps] = fleet.price
        cost[(pools + launches) * steps : (pools + launches + 1) * steps] = -fleet.price
    most[(2 * pools + 1) * steps - 1] = 0.0  # nothing that has to be in time waits at the end
    if load.late:
        most[(2 * pools + 1) * steps : (2 * pools + 2) * steps] = load.late
        if np.isfinite(load.leave):
            cost[-1] = load.leave
        else:
            most[-1] = 0.0
    limits = np.concatenate(rows.limits)
    for launches, fleet in enumerate(fleets):
        # Nobody launches so late that the horizon would cut off a part of the minimum.
        last = (launches + 1) * steps - 1
        rows.rows.append(np.full(2, len(limits)))
        rows.columns.append(np.array([last, last - fleet.minimum]))
        rows.values.append(np.array([1.0, -1.0]))
        limits = np.append(limits, 0.0)
    places = np.concatenate(rows.rows), np.concatenate(rows.columns)
    matrix = csr_array((np.concatenate(rows.values), places), shape=(len(limits), size))
    return Problem(cost, matrix, limits, most, steps, pools)

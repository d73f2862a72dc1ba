"""Solvers for `Problem`. Need the extra `simulate`."""

import time
from dataclasses import dataclass

import numpy as np

from burstlens.errors import Misconfigured
from burstlens.simulate.commitment import Problem
from burstlens.simulate.outcome import Floats

TOLERANCE = 1e-6
"""Relative: what the interior point method may leave open. Its dual value is told, which errs below the optimum."""

try:
    import clarabel  # type: ignore[import-untyped, unused-ignore]
    from scipy import sparse  # type: ignore[import-untyped]
    from scipy.optimize import Bounds, LinearConstraint, milp  # type: ignore[import-untyped]
except ImportError as error:
    message = "the lower bound needs the extra simulate: pip install 'burstlens[simulate]'"
    raise Misconfigured(message) from error


@dataclass(frozen=True, slots=True)
class Optimum:
    """What a solver found."""

    status: str
    """`optimal`, `infeasible`, `time limit` or `unsolved`."""
    least: float | None
    """No solution costs less; None if that could not be shown."""
    solution: Floats | None
    seconds: float
    """Wall clock."""
    gap: float = 0.0
    """How much less than `solution` the best one could cost, as a share of it."""


def least(problem: Problem, time_limit_seconds: float) -> Optimum:
    """Solve it with fractions of launches, by the interior point method of Clarabel."""
    began = time.perf_counter()
    size = len(problem.cost)
    own = sparse.identity(size, format="csr")
    bounded = np.isfinite(problem.most)
    matrix = sparse.vstack([problem.matrix, -own, own[bounded]]).tocsc()
    limits = np.concatenate([problem.limits, np.zeros(size), problem.most[bounded]])
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.direct_solve_method = "qdldl"
    settings.time_limit = time_limit_seconds
    settings.tol_gap_rel = settings.tol_gap_abs = settings.tol_feas = TOLERANCE
    cones = [clarabel.NonnegativeConeT(len(limits))]
    solver = clarabel.DefaultSolver(
        sparse.csc_matrix((size, size)), problem.cost, sparse.csc_matrix(matrix), limits, cones, settings
    )
    found = solver.solve()
    seconds = time.perf_counter() - began
    status = {"Solved": "optimal", "PrimalInfeasible": "infeasible", "MaxTime": "time limit"}.get(
        str(found.status), "unsolved"
    )
    if status != "optimal":
        return Optimum(status, None, None, seconds)
    return Optimum(status, min(found.obj_val, found.obj_val_dual), np.asarray(found.x), seconds)


def least_whole(problem: Problem, time_limit_seconds: float, gap: float) -> Optimum:
    """Solve it with whole launches and ends, by the branch and bound of HiGHS, until within `gap` of the best."""
    began = time.perf_counter()
    whole = np.zeros(len(problem.cost))
    whole[: 2 * problem.pools * problem.steps] = 1
    found = milp(
        problem.cost,
        integrality=whole,
        bounds=Bounds(0.0, problem.most),
        constraints=LinearConstraint(problem.matrix, -np.inf, problem.limits),
        options={"time_limit": time_limit_seconds, "mip_rel_gap": gap},
    )
    seconds = time.perf_counter() - began
    status = {0: "optimal", 1: "time limit", 2: "infeasible"}.get(found.status, "unsolved")
    if found.x is None:
        return Optimum(status, None, None, seconds)
    return Optimum(status, found.mip_dual_bound, np.asarray(found.x), seconds, float(found.mip_gap))

"""Policies on a scenario: one run, or many at once over processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.process import BaseProcess

from burstlens.logs import configure_logs
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy import policy_from
from burstlens.simulate.arrivals import counts
from burstlens.simulate.outcome import Floats, Outcome
from burstlens.simulate.peers.grid import GRID
from burstlens.simulate.row import Row
from burstlens.simulate.trial import Trial, peer_of, trials
from burstlens.simulate.world import World


class Engine(StrEnum):
    """How it is simulated."""

    EVENT = "event"
    """Each request for itself, under the real loop."""
    FLUID = "fluid"
    """Rates and cohorts: far faster, close for many requests."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Arrivals, and what they meet."""

    name: str
    arrivals: Floats
    """Seconds from the start, ascending."""
    world: World
    options: ScalingOptions
    engine: Engine = Engine.EVENT


Run = tuple[Scenario, Trial]


def run_one(scenario: Scenario, policy_name: str) -> Outcome:
    """Simulate one policy: one that settings may name, or a peer as ``keda:SETTING`` (bare: in its default).

    Raises:
        Misconfigured: there is none of this name.
    """
    return _outcome(scenario, trials(policy_name, scenario.options)[0])


def rows(runs: Sequence[Run], jobs: int = 1) -> Iterator[tuple[int, Row]]:
    """Simulate them all on up to `jobs` processes, and give each row with its index when it is there, in any order.

    Whoever stops early, by closing or by Ctrl-C, leaves no process behind.

    Raises:
        Misconfigured: there is no policy of this name.
    """
    if jobs <= 1 or len(runs) <= 1:
        for index, run in enumerate(runs):
            yield index, _row(run)
        return
    # Forked children would hold the locks of the parent's threads.
    executor = ProcessPoolExecutor(min(jobs, len(runs)), multiprocessing.get_context("spawn"), _prepare)
    finished = False
    try:
        # A process that is half started is known to nobody who could end it.
        with _uninterrupted():
            futures = {executor.submit(_row, run): index for index, run in enumerate(runs)}
        for future in as_completed(futures):
            yield futures[future], future.result()
        finished = True
    finally:
        if not finished:
            for process in multiprocessing.active_children():
                process.terminate()
        executor.shutdown(cancel_futures=True)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let Ctrl-C wait until the end of this; it only ever disturbs the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


def _row(run: Run) -> Row:
    scenario, trial = run
    return Row.of(_outcome(scenario, trial), trial.policy, trial.setting, scenario.options.deadline_seconds)


def _outcome(scenario: Scenario, trial: Trial) -> Outcome:
    world, changes = scenario.world, dict(trial.changes)
    if trial.policy not in GRID:
        changes["policy"] = trial.policy
    options = ScalingOptions.model_validate(scenario.options.model_dump() | changes)
    if trial.policy in GRID:
        policy = peer_of(trial.policy, trial.setting).policy(world, options)
    else:
        policy = policy_from(options)
    if scenario.engine is Engine.FLUID:
        from burstlens.simulate.fluid import flow

        return flow(counts(scenario.arrivals, options.tick_seconds), world, options, policy)
    from burstlens.simulate.event import simulate

    return simulate(scenario.arrivals, world, options, policy)


def quiet_logs() -> None:
    """Keep the log lines of simulated decisions to oneself, unless $BURSTLENS_LOG_LEVEL asks for them."""
    configure_logs(os.environ.get("BURSTLENS_LOG_LEVEL") or "critical")


def _prepare() -> None:
    """Set up a process that simulates for another: it ends when that one says so, or is no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quiet_logs()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)

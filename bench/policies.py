"""Scaling policies side by side: burstlens's against those of its peers, each in every setting, and a lower bound.

``python bench/policies.py [--traces FOLDER] [--out FILE] [--again POLICY] [--only POLICY] [--jobs N]``: every run is a
scenario in the event engine, under the autoscaler that production runs. FOLDER may hold ``azure_llm_2023_code.csv``,
``azure_llm_2023_conv.csv`` and ``azure_functions_sample_per_minute.csv`` (docs/traces.md says where they come from);
what it lacks is left out, and said. Runs are kept in FILE, so that a benchmark that was broken off goes on;
``--again deadline`` runs that policy anew and leaves the others as they are; ``--only deadline`` runs nothing else.
"""

import argparse
import json
import math
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.arrivals import Spikes, burst, diurnal, poisson
from burstlens.simulate.bounds import bound
from burstlens.simulate.closed_forms import unreachable_share
from burstlens.simulate.outcome import Floats
from burstlens.simulate.peers.grid import PEERS
from burstlens.simulate.peers.selection import Score, best_in_hindsight, best_single
from burstlens.simulate.standard import steady_world, varied
from burstlens.simulate.study import Scenario, quiet_logs, run_one
from burstlens.simulate.traces import read_trace
from burstlens.simulate.world import World

BOOT_SECONDS, SERVICE_SECONDS, TICK_SECONDS = 45.0, 0.5, 5.0
PRICE, PRIVATE_PRICE = 0.085, 0.017
PRIVATE = 4
SHARE = 0.99
SETTINGS: Mapping[float, float] = {120.0: 0.99, 30.0: 0.99, 5.0: 0.998}
"""The one setting of `deadline` for each deadline in seconds: its `attainment`. At 5 s a tick is as long as the
deadline, so the policy does not see all that is late: it aims higher than the 99 % that are measured."""
OWN = "deadline"
CLASSICS = ("queue-ratio", "target-tracking")
DAY_SECONDS = 21_600.0
"""A day at four times its pace: harder to follow than one of 24 hours, and done in an hour of this machine."""
TRACES = {
    "code": "azure_llm_2023_code.csv",
    "conv": "azure_llm_2023_conv.csv",
    "per-minute": "azure_functions_sample_per_minute.csv",
}
LARGE = "diurnal x10"


@dataclass(frozen=True)
class Cell:
    """One scenario in one world."""

    scenario: str
    varied: bool
    private: bool

    @property
    def name(self) -> str:
        """In one word."""
        return self.scenario + (" +private" if self.private else "") + (" ~" if self.varied else "")


@dataclass(frozen=True)
class Run:
    """One policy in one cell; `policy` names its setting, too."""

    cell: Cell
    policy: str
    deadline: float
    """That the policy was told; peers are told none, so this is 0 and the run counts for all."""


@dataclass(frozen=True)
class Figures:
    """What a run came to."""

    money: float
    billed_seconds: float
    attainment: Mapping[str, float]
    launches: int
    peak: int


def scenarios(traces: Path | None) -> dict[str, Floats]:
    """Arrivals by name, the same in every run."""
    spikes = Spikes(count=12, seconds=200.0, times=2.0)
    found = {
        "burst 10": burst(10),
        "burst 100": burst(100),
        "burst 1000": burst(1000),
        "poisson 0.2": poisson(0.2, 7200.0, np.random.default_rng(1)),
        "poisson 6": poisson(6.0, 7200.0, np.random.default_rng(2)),
        "diurnal": diurnal(0.7, DAY_SECONDS, np.random.default_rng(3), period=DAY_SECONDS, spikes=spikes),
        LARGE: diurnal(7.0, DAY_SECONDS, np.random.default_rng(3), period=DAY_SECONDS, spikes=spikes),
    }
    for name, file in TRACES.items():
        if traces is not None and (traces / file).exists():
            found[name] = read_trace(traces / file)
    return found


def world_of(cell: Cell, cap: int) -> World:
    """Where the cell's requests arrive."""
    world = steady_world(cap, BOOT_SECONDS, SERVICE_SECONDS, PRICE, 60.0, PRIVATE if cell.private else 0, PRIVATE_PRICE)
    return varied(world, seed=1) if cell.varied else world


def scenario_of(cell: Cell, arrivals: Floats, deadline: float, attainment: float) -> Scenario:
    """The cell as the simulator takes it."""
    cap = 200 if cell.scenario == LARGE else 19
    options = ScalingOptions(
        tick_seconds=TICK_SECONDS,
        max_instances=cap,
        deadline_seconds=deadline or 30.0,
        attainment=attainment,
        launches_per_minute=1000,
        capacity_cooldown_seconds=TICK_SECONDS,
        boot_seconds=BOOT_SECONDS,
        service_seconds=SERVICE_SECONDS,
    )
    return Scenario(cell.name, arrivals, world_of(cell, cap), options)


_arrivals: dict[str, Floats] = {}


def _prepare(traces: Path | None) -> None:
    quiet_logs()
    _arrivals.update(scenarios(traces))


def _figures(run: Run) -> tuple[Run, Figures]:
    scenario = scenario_of(run.cell, _arrivals[run.cell.scenario], run.deadline, SETTINGS.get(run.deadline, SHARE))
    outcome = run_one(scenario, run.policy)
    met = {f"{deadline:g}": outcome.attainment(deadline) for deadline in SETTINGS}
    return run, Figures(outcome.money, outcome.billed_seconds, met, outcome.launches, outcome.peak)


def _bound(run: Run) -> tuple[Run, Figures]:
    """The lower bound as a run of its own."""
    least = bound(scenario_of(run.cell, _arrivals[run.cell.scenario], run.deadline, SHARE))
    money, seconds = (least.money, least.billed_seconds) if least.feasible else (math.nan, math.nan)
    return run, Figures(money, seconds, {}, 0, 0)


def _either(run: Run) -> tuple[Run, Figures]:
    return _bound(run) if run.policy == "bound" else _figures(run)


def all_runs(names: Iterable[str]) -> list[Run]:
    """The short ones first, so that there is something to see soon."""
    cells = [Cell(name, noisy, private) for name in names for noisy in (False, True) for private in (False, True)]
    own = [Run(cell, policy, deadline) for policy in (OWN, "bound") for deadline in SETTINGS for cell in cells]
    others = [Run(cell, policy, 0.0) for policy in (*CLASSICS, *(peer.name for peer in PEERS)) for cell in cells]
    return [*own, *others]


def recorded(out: Path, again: Sequence[str]) -> dict[Run, Figures]:
    """What was run before."""
    found = {}
    for line in out.read_text().splitlines() if out.exists() else []:
        fields = json.loads(line)
        run = Run(Cell(**fields["cell"]), fields["policy"], fields["deadline"])
        if run.policy not in again:
            found[run] = Figures(**fields["figures"])
    return found


def simulated(runs: Sequence[Run], traces: Path | None, jobs: int) -> Iterator[tuple[Run, Figures]]:
    """Every run, in any order."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(jobs, _prepare, (traces,)) as pool:
        for number, result in enumerate(pool.imap_unordered(_either, runs), 1):
            if number % 50 == 0 or number == len(runs):
                print(f"  {number} of {len(runs)} runs", file=sys.stderr, flush=True)
            yield result


def impossible(name: str, arrivals: Floats, deadline: float, noisy: bool) -> bool:
    """Whether nobody who does not know the future can keep the promise: too many come before the first boot ends."""
    boot = 30.0 if noisy else BOOT_SECONDS
    return unreachable_share(arrivals, boot, SERVICE_SECONDS, deadline) > 1 - SHARE


Results = Mapping[Run, Figures]


def scores(results: Results, cell: Cell) -> list[Score]:
    """Of all peers in this cell."""
    return [
        Score(run.policy, f.money, f.billed_seconds, {float(d): share for d, share in f.attainment.items()})
        for run, f in results.items()
        if run.cell == cell and run.deadline == 0.0
    ]


def told(results: Results, arrivals: Mapping[str, Floats], deadline: float) -> str:
    """Everything about one deadline, as text."""
    cells = sorted({run.cell for run in results}, key=lambda cell: cell.name)
    possible = [c for c in cells if not impossible(c.scenario, arrivals[c.scenario], deadline, c.varied)]
    lines = [f"\ndeadline {deadline:g} s, setting: attainment {SETTINGS[deadline]:g}"]
    lines.append(f"{'cell':26} {'bill s':>9} {'in time':>8} {'/best':>6} {'/single':>8} {'/bound':>7}  best peer")
    peers = {cell.name: scores(results, cell) for cell in possible}
    single = best_single(peers, deadline, SHARE)
    ratios: dict[str, list[float]] = {"best": [], "single": [], "bound": []}
    met = 0
    for cell in possible:
        own, least = results[Run(cell, OWN, deadline)], results[Run(cell, "bound", deadline)]
        share = own.attainment[f"{deadline:g}"]
        met += share >= SHARE
        best = best_in_hindsight(peers[cell.name], deadline, SHARE)
        of_single = next((s for s in peers[cell.name] if single is not None and s.name == single.name), None)
        compared = {
            "best": own.money / best.money if best and share >= SHARE else math.nan,
            "single": own.money / of_single.money if of_single else math.nan,
            "bound": own.money / least.money,
        }
        for name, ratio in compared.items():
            one = arrivals[cell.scenario][-1] + BOOT_SECONDS + max(SETTINGS)
            busy = least.billed_seconds > one
            if not math.isnan(ratio) and (name != "bound" or busy):
                ratios[name].append(ratio)
        lines.append(
            f"{cell.name:26} {own.billed_seconds:9.0f} {share:8.2%} {compared['best']:6.2f} {compared['single']:8.2f} "
            f"{compared['bound']:7.2f}  {best.name if best else 'none meets it'}"
        )
    left_out = [cell.name for cell in cells if cell not in possible]
    lines.append(f"left out, since nobody without foresight can: {', '.join(left_out) or 'none'}")
    lines.append(f"{OWN} meets {SHARE:.0%} in {met} of {len(possible)} cells")
    if single is not None:
        mine = sum(results[Run(cell, OWN, deadline)].money for cell in possible)
        lines.append(
            f"best single peer setting: {single.name}, meets {len(single.cells)}; bill in all {mine / single.money:.2f}"
        )
    for name, what in (("best", "best peer in hindsight"), ("single", "best single"), ("bound", "bound, > 1 instance")):
        lines.append(_summary(what, ratios[name]))
    return "\n".join(lines)


def _summary(what: str, ratios: Sequence[float]) -> str:
    if not ratios:
        return f"against the {what}: nothing to compare"
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    middle, worst = median(ratios), max(ratios)
    return f"against the {what}: median {middle:.3f}, mean {mean:.3f}, worst {worst:.2f} ({len(ratios)} cells)"


def main() -> None:
    """Run what is missing, and tell all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "out" / "policies.jsonl")
    parser.add_argument("--again", action="append", default=[])
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    quiet_logs()
    arrivals = scenarios(given.traces)
    if missing := [file for name, file in TRACES.items() if name not in arrivals]:
        print(f"left out, since --traces has no such file: {', '.join(missing)}")
    results = recorded(given.out, given.again)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    _write(given.out, results.items(), "w")
    wanted = [run for run in all_runs(arrivals) if not given.only or run.policy in given.only]
    runs = [run for run in wanted if run not in results]
    for run, figures in simulated(runs, given.traces, given.jobs):
        results[run] = figures
        _write(given.out, [(run, figures)], "a")
    for deadline in SETTINGS:
        print(told(results, arrivals, deadline))


def _write(out: Path, results: Iterable[tuple[Run, Figures]], mode: str) -> None:
    with out.open(mode) as file:
        for run, figures in results:
            file.write(json.dumps(asdict(run) | {"figures": asdict(figures)}) + "\n")


if __name__ == "__main__":
    main()

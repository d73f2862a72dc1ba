"""How long an answer takes from a hybrid fleet, against fleets of the same size on one cloud alone, in the same run.

It needs an OpenStack lab that runs: ``BURSTLENS_OPENSTACK_LAB=.lab/openstack python bench/hybrid.py [ROUNDS]``. Both
clouds are the labs', whose machines boot alike and at once, so the figures say what burstlens adds for having two
clouds: what it asks them, in which order, and what it waits for. They say nothing about real machines' boots.
"""

import asyncio
import json
import logging
import os
import random
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import structlog
from machine import Machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from burstlens.recognition.cache import default_cache
from burstlens.settings import load_settings
from burstlens.workload.arrivals import closed, poisson
from burstlens.workload.formats import Format
from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.run import Plan, run
from lab.account import CREDENTIALS
from support.bursts import IMAGES
from support.commands import home_in
from support.hybrid_lab import CONFIG, HybridLab, hybrid_lab
from support.openstack_lab import RUNNING, own_project

CAP = 8
"""Of each fleet: more processes would measure this machine's cores."""
BURST = 100
TRICKLE, PER_SECOND = 60, 3.0
ROUNDS = 3
SCALING = {"BURSTLENS_SCALING__MAX_INSTANCES": str(CAP), "BURSTLENS_SCALING__WINDOW": "20"}
"""An idle instance stays for ten seconds, so that a trickle is served by the same ones."""


@dataclass(frozen=True)
class Fleet:
    """One of those that are compared."""

    name: str
    clouds: frozenset[str]
    quota: int
    """Of instances, on OpenStack."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What its commands are told beside the labs' settings."""
        pools = [pool.model_dump(mode="json") for pool in load_settings(CONFIG).pools if pool.cloud in self.clouds]
        return {**SCALING, "BURSTLENS_POOLS": json.dumps(pools)}


FLEETS = (
    Fleet("all private", frozenset({"openstack"}), CAP),
    Fleet("all public", frozenset({"ec2"}), CAP),
    Fleet("hybrid", frozenset({"openstack", "ec2"}), CAP // 2),
)
WORKLOADS: Mapping[str, Sequence[float]] = {
    f"{BURST} at once, from zero instances": closed(BURST),
    f"{PER_SECOND:g} a second, from zero instances": poisson(TRICKLE, PER_SECOND, random.Random(5)),  # noqa: S311 - not for secrets
}

Answers = dict[tuple[str, str], list[list[Outcome]]]
"""What came of each workload on each fleet, round by round."""


async def measure(lab: HybridLab, fleet: Fleet, starts: Sequence[float], folder: Path, cache: Path) -> list[Outcome]:
    """Start the system, send the workload, and see the system end with every instance gone."""
    lab.project.quota(instances=fleet.quota)
    await asyncio.to_thread(folder.mkdir)
    async with home_in(folder, cache) as home:
        up = await lab.start(home, "up", **fleet.environment)
        url = await up.url()
        await up.logged("decision")
        outcomes = (await run(Plan(url, IMAGES, starts, form=Format.V1, retries=5))).outcomes
        ended = await up.end(signal.SIGTERM)
    wrong = [outcome for outcome in outcomes if outcome.verdict is not Verdict.RIGHT]
    if ended.code or wrong:
        sys.exit(f"{fleet.name}: not measured: {len(wrong)} of {len(outcomes)} wrong: {wrong[:1]} {ended.err[-500:]}")
    return sorted(outcomes, key=lambda outcome: outcome.index)


def split(outcome: Outcome) -> tuple[float, float, float]:
    """Seconds in the queue, in the model, and on the rest of the way: web tier, buckets and response queue."""
    if outcome.timings is None:
        sys.exit("an answer came without its timings")
    model = outcome.timings.decode_seconds + outcome.timings.infer_seconds
    waited = outcome.timings.queue_wait_seconds
    return waited, model, outcome.latency_seconds - waited - model


def taken(outcome: Outcome) -> float:
    """When a worker received it, from the beginning of the run."""
    return outcome.started_seconds + split(outcome)[0]


def boots(outcomes: Sequence[Outcome]) -> tuple[float, float]:
    """When the first instance received its first request, and when the last one did."""
    first: dict[str, float] = {}
    for outcome in outcomes:
        first[outcome.instance] = min(taken(outcome), first.get(outcome.instance, taken(outcome)))
    return min(first.values()), max(first.values())


def report(answers: Answers) -> None:
    for workload in WORKLOADS:
        print(f"\n{workload}; seconds, medians of {len(answers[workload, 'hybrid'])} rounds")
        names = ("p50", "p95", "queue", "model", "rest", "first", "last")
        print(f"{'fleet':>12} {'instances':>9} " + " ".join(f"{name:>7}" for name in names))
        rows = {fleet.name: row(answers[workload, fleet.name]) for fleet in FLEETS}
        for fleet in FLEETS:
            instances = median(len({each.instance for each in outcomes}) for outcomes in answers[workload, fleet.name])
            print(f"{fleet.name:>12} {instances:>9.0f} " + " ".join(f"{value:>7.2f}" for value in rows[fleet.name]))
        for fleet in FLEETS[:2]:
            ratios = [mine / its for mine, its in zip(rows["hybrid"][:2], rows[fleet.name][:2], strict=True)]
            print(f"hybrid / {fleet.name}: p50 {ratios[0]:.2f}, p95 {ratios[1]:.2f}")
    print(
        "\nqueue: until a worker received it, with the boot of its instance; model: decode and infer; rest: web tier,"
    )
    print("buckets and response queue; all p50. first, last: when the first and the last instance received a request.")


def row(rounds: Sequence[Sequence[Outcome]]) -> list[float]:
    columns = []
    for outcomes in rounds:
        latencies = [outcome.latency_seconds for outcome in outcomes]
        parts = [median(values) for values in zip(*map(split, outcomes), strict=True)]
        columns.append([median(latencies), quantiles(latencies, n=20)[-1], *parts, *boots(outcomes)])
    return [median(values) for values in zip(*columns, strict=True)]


async def measure_all(rounds: int, openstack: Path, folder: Path) -> Answers:
    answers: Answers = {(workload, fleet.name): [] for workload in WORKLOADS for fleet in FLEETS}
    cache = default_cache()
    with own_project(openstack, folder) as project:
        async with hybrid_lab(project, folder / "lab", cache) as lab:
            for number in range(rounds):
                for workload, starts in WORKLOADS.items():
                    for fleet in FLEETS:
                        home = folder / f"{number}-{len(starts)}-{fleet.name.replace(' ', '-')}"
                        outcomes = await measure(lab, fleet, starts, home, cache)
                        answers[workload, fleet.name].append(outcomes)
                        print(f"round {number + 1}, {fleet.name}, {workload}: done", file=sys.stderr, flush=True)
    return answers


def main() -> None:
    openstack = os.environ.get(RUNNING)
    if not openstack:
        sys.exit(f"{RUNNING} has to name the folder of an OpenStack lab that runs: python -m lab.openstack start")
    os.environ.update(CREDENTIALS)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    print(Machine.here(), flush=True)
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="burstlens-bench-") as folder:
        report(asyncio.run(measure_all(rounds, Path(openstack), Path(folder))))


if __name__ == "__main__":
    main()

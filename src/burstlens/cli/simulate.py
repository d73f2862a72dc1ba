"""`burstlens simulate`: what policies would have made of past or made-up arrivals."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from burstlens.cli import INTERRUPTED
from burstlens.cli.scenario import (
    Arrivals,
    AsJson,
    Asked,
    Attainment,
    Boot,
    Cap,
    Deadline,
    EngineName,
    Jobs,
    Minimum,
    Price,
    Private,
    PrivatePrice,
    Seed,
    Service,
    Tick,
    Trace,
    Varied,
    interruptible,
    job_count,
    progress_bar,
)
from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from burstlens.simulate.comparison import Comparison
    from burstlens.simulate.oracle import Bound
    from burstlens.simulate.report import Study
    from burstlens.simulate.row import Row
    from burstlens.simulate.study import Run, Scenario


def simulate(
    trace: Trace = None,
    arrivals: Arrivals = None,
    policy: Annotated[
        str,
        typer.Option(
            "--policy",
            metavar="NAMES",
            help="Separated by commas: burstlens's own, or peers. A peer's bare name is the best of its settings for "
            "this scenario, keda:default its default, keda:SETTING one of them.",
        ),
    ] = "deadline,queue-ratio,keda",
    deadline: Deadline = 30.0,
    attainment: Attainment = 0.99,
    boot: Boot = 45.0,
    service: Service = 0.5,
    cap: Cap = 19,
    private: Private = 0,
    price: Price = 0.085,
    private_price: PrivatePrice = 0.0,
    minimum: Minimum = 60.0,
    tick: Tick = 5.0,
    waiting_price: Annotated[
        float,
        typer.Option(
            "--waiting-price", metavar="MONEY", help="deadline: what an hour of one request's waiting is worth."
        ),
    ] = 0.0,
    seed: Seed = 0,
    varied: Varied = False,
    engine: EngineName = "auto",
    no_oracle: Annotated[
        bool, typer.Option("--no-oracle", help="Leave out the lower bound, which takes long for long traces.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Write a report page there, with plots.", show_default=False),
    ] = None,
    no_sweep: Annotated[
        bool, typer.Option("--no-sweep", help="In the report, leave out every policy in every setting.")
    ] = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Simulate policies on a trace: bill, latencies, and how close they come to the least that is possible.

    The simulator runs burstlens's own scaling code, and peers by their published formulas.

    Example: burstlens simulate --trace arrivals.csv --policy deadline,keda --deadline 30 --boot 45 --out report
    """
    from dataclasses import replace

    from burstlens.simulate.comparison import compare, sweep
    from burstlens.simulate.picture import require_simulate_extra

    asked = Asked(
        trace=trace,
        arrivals=arrivals,
        deadline=deadline,
        attainment=attainment,
        boot=boot,
        service=service,
        cap=cap,
        private=private,
        price=price,
        private_price=private_price,
        minimum=minimum,
        tick=tick,
        seed=seed,
        varied=varied,
        engine=engine,
        waiting_price=waiting_price,
    )
    if out is not None or not no_oracle:
        require_simulate_extra("burstlens simulate")
    scenario = asked.scenario()
    comparison = compare(scenario, policy)
    if out is not None:
        _make_folder(out)
        comparison = replace(comparison, others=() if no_sweep else sweep(scenario))
    rows, interrupted = _run(comparison.runs, job_count(jobs))
    answer = comparison.answer(rows)
    if answer:
        bound = None if no_oracle or interrupted else _bound(scenario)
        study = _study(asked, comparison, answer, rows, bound, interrupted=interrupted)
        _tell(study, out, as_json=as_json)
    if interrupted:
        typer.echo(f"burstlens: interrupted after {len(rows)} of {len(comparison.runs)} simulations", err=True)
        raise typer.Exit(INTERRUPTED)


def _make_folder(folder: Path) -> None:
    """Find out before a long run whether its report can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "index.html").touch()
    except OSError as error:
        message = f"cannot write the report to {folder}: {error.strerror}"
        raise Misconfigured(message) from None


def _run(runs: "Sequence[Run]", jobs: int) -> "tuple[list[Row], bool]":
    """Simulate under a progress bar; on Ctrl-C, stop and return what is done."""
    from burstlens.simulate.study import quiet_logs, rows

    quiet_logs()
    done: dict[int, Row] = {}
    interrupted = False
    with progress_bar() as progress, interruptible():
        task = progress.add_task("simulating", total=len(runs))
        try:
            for index, row in rows(runs, jobs):
                done[index] = row
                progress.advance(task)
        except KeyboardInterrupt:
            interrupted = True
    return [done[index] for index in sorted(done)], interrupted


def _bound(scenario: "Scenario") -> "Bound":
    from burstlens.simulate.bounds import bound

    with progress_bar() as progress:
        progress.add_task("lower bound", total=None)
        return bound(scenario)


def _study(
    asked: Asked,
    comparison: "Comparison",
    answer: "list[Row]",
    rows: "list[Row]",
    bound: "Bound | None",
    *,
    interrupted: bool,
) -> "Study":
    from burstlens.simulate.pareto import Sweep
    from burstlens.simulate.report import Study

    scenario = comparison.scenario
    return Study(
        title=f"burstlens simulate: {scenario.name}",
        command=shlex.join(["burstlens", *sys.argv[1:]]),
        asked=asked.words(scenario),
        deadline_seconds=scenario.options.deadline_seconds,
        attainment=scenario.options.attainment,
        boot_seconds=min(each.pending_seconds + each.boot.median_seconds for each in scenario.world.pools),
        rows=answer,
        sweep=Sweep(rows if comparison.others else ()),
        bound=bound,
        notes=["It was interrupted: what is shown is what was done by then."] if interrupted else [],
    )


def _tell(study: "Study", out: Path | None, *, as_json: bool) -> None:
    from burstlens.simulate import results
    from burstlens.simulate.report import verdict, write_report
    from burstlens.simulate.table import row_table

    if as_json:
        typer.echo(json.dumps(results.plain(study.asked, study.rows, study.sweep.rows, study.bound)))
    else:
        console = Console()
        console.print(row_table(study.rows, study.attainment, study.bound))
        console.print(verdict(study), highlight=False, soft_wrap=True)
        if study.bound is not None and not study.bound.feasible:
            console.print(f"No policy can: {study.bound.status}.", highlight=False, soft_wrap=True)
    if out is not None:
        try:
            write_report(out, study)
        except OSError as error:
            message = f"cannot write the report to {out}: {error.strerror}"
            raise Misconfigured(message) from None
        typer.echo(f"report: {out / 'index.html'}", err=as_json)

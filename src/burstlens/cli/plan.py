"""`burstlens plan`: pools, cap, standby and policy for a deadline, and what they will cost."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from burstlens.cli import FAILED, INTERRUPTED
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

if TYPE_CHECKING:
    from burstlens.simulate.oracle import Bound
    from burstlens.simulate.plan import Plan, Tried
    from burstlens.simulate.study import Scenario


def plan(
    trace: Trace = None,
    arrivals: Arrivals = None,
    deadline: Deadline = 30.0,
    attainment: Attainment = 0.99,
    boot: Boot = 45.0,
    service: Service = 0.5,
    cap: Cap = 19,
    private: Private = 0,
    price: Price = 0.085,
    private_price: PrivatePrice = 0.0,
    budget: Annotated[
        float | None,
        typer.Option("--budget", metavar="MONEY", min=0, help="The most that a day may cost.", show_default=False),
    ] = None,
    minimum: Minimum = 60.0,
    tick: Tick = 5.0,
    seed: Seed = 0,
    varied: Varied = False,
    engine: EngineName = "auto",
    no_oracle: Annotated[
        bool, typer.Option("--no-oracle", help="Leave out the lower bound, which takes long for long traces.")
    ] = False,
    jobs: Jobs = None,
    as_json: AsJson = False,
) -> None:
    """Recommend pools, cap, standby and policy for a deadline, by simulating many settings, and say what they cost.

    It prints a part of burstlens.toml. Exit code 1: no setting meets the deadline; it says why.

    Example: burstlens plan --trace arrivals.csv --deadline 30 --private 4 --price 0.085
    """
    from burstlens.simulate.picture import require_simulate_extra

    if not no_oracle:
        require_simulate_extra("burstlens plan")
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
    )
    scenario = asked.scenario()
    found, interrupted = _search(scenario, job_count(jobs), budget)
    if found is not None:
        bound = None if no_oracle or interrupted else _bound(scenario)
        if as_json:
            typer.echo(json.dumps(_plain(asked, found, bound)))
        else:
            _print(found, bound)
    if interrupted:
        typer.echo("burstlens: interrupted: what is shown is the best of what was tried by then", err=True)
        raise typer.Exit(INTERRUPTED)
    if found is None or found.best is None:
        raise typer.Exit(FAILED)


def _search(scenario: "Scenario", jobs: int, budget: float | None) -> "tuple[Plan | None, bool]":
    """Try everything under a progress bar; on Ctrl-C, stop and return what is known by then."""
    from functools import partial

    from burstlens.simulate.plan import plan as search
    from burstlens.simulate.study import quiet_logs, rows

    quiet_logs()
    latest: Plan | None = None
    with progress_bar() as progress, interruptible():
        task = progress.add_task("trying settings", total=None)
        try:
            for left, so_far in search(scenario, partial(rows, jobs=jobs), budget):
                latest = so_far
                progress.update(task, completed=len(so_far.tried), total=len(so_far.tried) + left)
        except KeyboardInterrupt:
            return latest, True
    return latest, False


def _bound(scenario: "Scenario") -> "Bound":
    from burstlens.simulate.bounds import bound

    with progress_bar() as progress:
        progress.add_task("lower bound", total=None)
        return bound(scenario)


def _print(found: "Plan", bound: "Bound | None") -> None:
    from burstlens.simulate.fragment import fragment
    from burstlens.simulate.table import money, share

    console = Console()
    console.print(_table(found))
    best = found.best
    if best is None:
        console.print(f"Nothing that was tried will do: {found.why_not}.", style="red", highlight=False, soft_wrap=True)
        if bound is not None and not bound.feasible:
            console.print(f"No policy can: {bound.status}.", highlight=False, soft_wrap=True)
        return
    day = found.per_day(best)
    console.print(
        f"Take {best.candidate.policy} on {best.candidate.words}: {share(best.row.attainment)} within "
        f"{found.scenario.options.deadline_seconds:g} s, for {money(day)} a day or {money(30 * day)} a month of 30 "
        f"days, if what came in {found.period_seconds:,.0f} s comes over and over again.",
        highlight=False,
        soft_wrap=True,
    )
    if bound is not None and bound.feasible:
        least = bound.money / found.period_seconds * 86_400
        console.print(f"No policy can do with less than {money(least)} a day.", highlight=False, soft_wrap=True)
    typer.echo("\n" + fragment(found, best), nl=False)


def _table(found: "Plan") -> Table:
    """The best of each policy."""
    from burstlens.simulate.table import mark, money, short

    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("policy", no_wrap=True)
    table.add_column("setting", overflow="fold")
    for name in ("a day", "p50 s", "p99 s", "in time", "launches", "peak"):
        table.add_column(name, justify="right", no_wrap=True)
    for tried in found.by_policy:
        table.add_row(
            tried.candidate.policy,
            Text(tried.candidate.words),
            money(found.per_day(tried)),
            short(tried.row.p50_seconds),
            short(tried.row.p99_seconds),
            mark(tried.row.attainment, found.scenario.options.attainment),
            f"{tried.row.launches:,}",
            f"{tried.row.peak:,}",
        )
    return table


def _plain(asked: Asked, found: "Plan", bound: "Bound | None") -> dict[str, Any]:
    from burstlens.simulate.fragment import fragment
    from burstlens.simulate.results import plain_bound

    best = found.best
    return {
        "asked": asked.words(found.scenario),
        "period_seconds": found.period_seconds,
        "bound": plain_bound(bound),
        "best": None if best is None else _tried(found, best),
        "why_not": found.why_not,
        "by_policy": [_tried(found, tried) for tried in found.by_policy],
        "tried": [_tried(found, tried) for tried in found.tried],
        "settings": None if best is None else fragment(found, best),
    }


def _tried(found: "Plan", tried: "Tried") -> dict[str, Any]:
    return tried.row.figures() | {
        "max_instances": tried.candidate.max_instances,
        "min_instances": tried.candidate.min_instances,
        "standby": tried.candidate.standby,
        "pools": [each.pool.name for each in tried.candidate.pools],
        "money_per_day": found.per_day(tried),
    }

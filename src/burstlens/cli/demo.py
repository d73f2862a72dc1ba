"""`burstlens demo`: the whole system at work on bundled photos."""

import asyncio
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from burstlens.cli.common import run_until_signalled
from burstlens.demonstration import Demonstration, demonstrate, settings_for
from burstlens.logs import configure_logs
from burstlens.workload.chart import timeline
from burstlens.workload.report import report
from burstlens.workload.table import outcome_table, summary


def demo(
    requests: Annotated[int, typer.Option(min=1, max=10_000, help="Requests, all sent at once.")] = 100,
    folder: Annotated[
        Path | None,
        typer.Option(help="Keep queue, buckets and logs here; default: a temporary folder.", show_default=False),
    ] = None,
) -> None:
    """Recognise a burst of real photos: the fleet grows from zero instances, works, and shrinks to zero again.

    The exit code is 0 only if every request got its photo's own label and the fleet is gone.

    Example: burstlens demo --requests 100
    """
    configure_logs("warning")
    console = Console()
    if folder is not None:
        seen = _run(folder, requests, console)
    else:
        with tempfile.TemporaryDirectory(prefix="burstlens-demo-", ignore_cleanup_errors=True) as temporary:
            seen = _run(Path(temporary), requests, console)
    _show(seen, console)
    if not seen.ok:
        raise typer.Exit(1)


def _run(folder: Path, requests: int, console: Console) -> Demonstration:
    """Run it under a progress bar.

    Raises:
        KeyboardInterrupt: after everything that was started has ended.
    """
    seen: list[Demonstration] = []
    progress = Progress(
        TextColumn("recognising"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    bar = progress.add_task("", total=requests)

    async def tier(stop: asyncio.Event) -> None:
        done = await demonstrate(settings_for(folder), requests, stop, lambda _: progress.advance(bar))
        if not stop.is_set():
            seen.append(done)

    with progress:
        run_until_signalled(tier)
    if not seen:
        raise KeyboardInterrupt
    return seen[0]


def _show(seen: Demonstration, console: Console) -> None:
    outcomes = sorted(seen.run.outcomes, key=lambda outcome: outcome.index)
    console.print(outcome_table(outcomes))
    console.print(summary(report(seen.run)))
    console.print(_chart(seen, min(console.width, 100)), markup=False, highlight=False)
    if not seen.shrank:
        console.print("the fleet did not shrink to zero in time", style="red")


def _chart(seen: Demonstration, width: int) -> str:
    began = seen.decisions[0].at
    depths = [(d.at - began, float(d.depth.total)) for d in seen.decisions if d.depth is not None]
    instances = [(d.at - began, float(d.census.total)) for d in seen.decisions if d.census is not None]
    return timeline({"queue depth": depths, "instances": instances}, width)

"""`burstlens load`: send images to a server and report what came back."""

import asyncio
import math
import random
import signal
from pathlib import Path
from typing import Annotated, Any

import typer
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from burstlens.errors import Misconfigured
from burstlens.workload.arrivals import closed, poisson
from burstlens.workload.bundled import bundled_photos
from burstlens.workload.expectations import read_expectations
from burstlens.workload.figure import require_matplotlib, write_png
from burstlens.workload.formats import Format, endpoint
from burstlens.workload.images import Image, read_folder, with_expectations
from burstlens.workload.outcomes import Outcome
from burstlens.workload.report import Report, report, write_json
from burstlens.workload.run import Plan, Run, run
from burstlens.workload.table import summary

MAX_DEFAULT_CONCURRENCY = 100
"""As many as the course's clients have threads."""

USAGE, MISSED, INTERRUPTED = 2, 1, 130


def load(
    num_request: Annotated[
        int, typer.Option("--num-request", "--num_request", metavar="N", help="How many requests to send.")
    ] = 100,
    url: Annotated[str, typer.Option(metavar="URL", help="Where to send them.")] = "http://127.0.0.1:8000/",
    image_folder: Annotated[
        Path | None,
        typer.Option(
            "--image-folder",
            "--image_folder",
            metavar="DIR",
            help="Images to send, by name and over again; without it, the bundled photos and their labels.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Closed loop: at most so many at once. Default: all, but not more than 100.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Open loop: so many requests per second on average (Poisson), however slow the answers are.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Of the random arrivals: the same seed, the same moments.")
    ] = 0,
    expect: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV of the right labels: header Image,Results, then lines such as test_00,Paul.",
            show_default=False,
        ),
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            metavar="NAME",
            help="Wire format. v1: burstlens's own; myfile, inputFile: the course's, posted to the URL as it is; "
            "auto: v1 if the server has it, else myfile.",
        ),
    ] = Format.AUTO,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON.", show_default=False)
    ] = None,
    png_file: Annotated[
        Path | None,
        typer.Option("--png", metavar="FILE", help="Draw the report (needs matplotlib).", show_default=False),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Give a request up after so many seconds. Default: never.", show_default=False
        ),
    ] = None,
    retries: Annotated[
        int, typer.Option(metavar="N", help="Try a 429 or 503 again so many times, as Retry-After says.")
    ] = 0,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print each answer as it comes.")] = False,
) -> None:
    """Send images to a server, check the labels, and report latency and throughput.

    Exit code: 0 when every request was answered (and rightly, where the right label is known), else 1; 2 for bad usage.

    Example: burstlens load --num-request 100 --url http://127.0.0.1:8000/ --image-folder photos --expect expected.csv
    """
    try:
        _check_numbers(num_request, concurrency, rate, timeout, retries)
        _check_outputs(json_file, png_file)
        endpoint(url, form)
        images = _images(image_folder, num_request, expect)
    except Misconfigured as error:
        typer.echo(f"burstlens load: {error}", err=True)
        raise typer.Exit(USAGE) from None
    plan = Plan(
        url=url,
        images=images,
        starts=_starts(num_request, rate, seed),
        concurrency=(concurrency or min(num_request, MAX_DEFAULT_CONCURRENCY)) if rate is None else None,
        form=form,
        timeout_seconds=timeout,
        retries=retries,
    )
    console = Console()
    done, interrupted = _run(plan, console, verbose=verbose)
    whole = report(done)
    console.print(summary(whole))
    _write(whole, _asked(plan, done, rate, seed), json_file, png_file)
    if interrupted:
        raise typer.Exit(INTERRUPTED)
    if not whole.ok:
        raise typer.Exit(MISSED)


def _starts(count: int, rate: float | None, seed: int) -> tuple[float, ...]:
    if rate is None:
        return closed(count)
    return poisson(count, rate, random.Random(seed))  # noqa: S311 - arrivals are no secret


def _check_numbers(
    num_request: int, concurrency: int | None, rate: float | None, timeout: float | None, retries: int
) -> None:
    wrong = {
        "--num-request must be at least 1": num_request < 1,
        "--concurrency must be at least 1": concurrency is not None and concurrency < 1,
        "--rate must be above 0": rate is not None and not 0 < rate < math.inf,
        "--timeout must be above 0": timeout is not None and not timeout > 0,
        "--retries must not be negative": retries < 0,
        "--rate starts requests whatever is under way, so it cannot be bounded by --concurrency": (
            rate is not None and concurrency is not None
        ),
    }
    for complaint, applies in wrong.items():
        if applies:
            raise Misconfigured(complaint)


def _check_outputs(json_file: Path | None, png_file: Path | None) -> None:
    """Find out before a long run whether its reports can be written."""
    for path in (json_file, png_file):
        if path is not None and (path.is_dir() or not path.parent.is_dir()):
            message = f"cannot write {path}: {'it is a folder' if path.is_dir() else 'its folder does not exist'}"
            raise Misconfigured(message)
    if png_file is not None:
        require_matplotlib()


def _images(folder: Path | None, limit: int, expect: Path | None) -> tuple[Image, ...]:
    if folder is None:
        photos = bundled_photos()[:limit]
        images = tuple(Image(photo.path.name, photo.path.read_bytes(), photo.label) for photo in photos)
    else:
        images = read_folder(folder, limit)
    return images if expect is None else with_expectations(images, read_expectations(expect))


def _run(plan: Plan, console: Console, *, verbose: bool) -> tuple[Run, bool]:
    """Carry the plan out under a progress bar; on Ctrl-C, stop and return what came so far."""
    progress = Progress(
        TextColumn("sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task = progress.add_task("", total=len(plan.starts))

    def show(outcome: Outcome) -> None:
        progress.advance(task)
        if verbose:
            console.print(_line(outcome), markup=False, highlight=False, soft_wrap=True)

    async def until_done_or_interrupted() -> tuple[Run, bool]:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
        return await run(plan, on_outcome=show, stop=stop), stop.is_set()

    with progress, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(until_done_or_interrupted())


def _line(outcome: Outcome) -> str:
    """What the course's clients print for each answer, in one line."""
    if outcome.problem is not None:
        return f"{outcome.image} failed: {outcome.problem.kind} {outcome.problem.message}".rstrip()
    return f"{outcome.image} uploaded! Classification result: {outcome.label}"


def _asked(plan: Plan, done: Run, rate: float | None, seed: int) -> dict[str, Any]:
    """What the run was asked for, for the JSON report."""
    return {
        "url": plan.url,
        "format": done.form.value,
        "requests": len(plan.starts),
        "images": len(plan.images),
        "arrivals": "closed" if rate is None else "poisson",
        "concurrency": plan.concurrency,
        "rate_per_second": rate,
        "seed": None if rate is None else seed,
        "timeout_seconds": plan.timeout_seconds,
        "retries": plan.retries,
    }


def _write(whole: Report, asked: dict[str, Any], json_file: Path | None, png_file: Path | None) -> None:
    try:
        if json_file is not None:
            write_json(json_file, whole, asked)
        if png_file is not None:
            write_png(png_file, whole, _title(asked))
    except OSError as error:
        typer.echo(f"burstlens load: cannot write the report: {error}", err=True)
        raise typer.Exit(MISSED) from None


def _title(asked: dict[str, Any]) -> str:
    how = (
        f"at most {asked['concurrency']} at once"
        if asked["arrivals"] == "closed"
        else f"{asked['rate_per_second']:g} per second on average"
    )
    return f"burstlens load: {asked['requests']} requests to {asked['url']}, {how}"

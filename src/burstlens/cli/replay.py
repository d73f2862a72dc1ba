"""`burstlens replay`: the simulator's prediction for a run of the past, beside what really happened."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from burstlens.cli.common import Config, Data
from burstlens.cli.explain import read_decisions
from burstlens.errors import Misconfigured
from burstlens.logs import configure_logs
from burstlens.settings import load_settings

if TYPE_CHECKING:
    from burstlens.scaling.decision import Decision
    from burstlens.simulate.replay import Figures

Log = Annotated[
    Path | None,
    typer.Argument(
        metavar="[LOG]",
        help="Lines of `burstlens explain --json`; without it, the log of this deployment.",
        show_default=False,
    ),
]
Last = Annotated[int, typer.Option("--last", min=2, help="How many decisions, the last ones.")]
PolicyName = Annotated[
    str | None,
    typer.Option(
        "--policy", help="Another policy on the same arrivals; default: that of the settings.", show_default=False
    ),
]

_NAMES = {
    "launches": "launches",
    "peak": "most instances at once",
    "instance_seconds": "instance-seconds",
    "busy_seconds": "seconds until all was done",
    "mean_backlog": "requests not done, on average",
}
"""The rows of the table, by field of `Figures`."""


def replay(
    log: Log = None, config: Config = None, data: Data = None, last: Last = 10_000, policy: PolicyName = None
) -> None:
    """Simulate a run of the past from its decisions: the same arrivals, pools, boots and service times.

    Example: burstlens replay --last 500
    """
    from burstlens.simulate.replay import Recording

    configure_logs("warning")
    settings = load_settings(config, data=data).with_scaling(policy=policy)
    decisions = _read_file(log)[-last:] if log else read_decisions(settings, last)
    recording = Recording.of(decisions, settings.scaling, settings.worker.heartbeat_seconds)
    predicted = recording.predicted(settings.scaling)
    real = recording.course.figures(recording.seconds)
    console = Console()
    console.print(
        f"{len(recording.arrivals)} requests in {recording.seconds:.0f} s, a tick each {recording.tick_seconds:.2f} s, "
        f"{settings.scaling.policy}",
        highlight=False,
    )
    console.print(_table(predicted.figures(recording.seconds), real))


def _read_file(path: Path) -> "list[Decision]":
    from burstlens.scaling.decision_log import decisions_in

    try:
        return decisions_in(path.read_bytes())
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror or error}"
        raise Misconfigured(message) from error


def _table(predicted: "Figures", real: "Figures") -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for name in ("real", "predicted", "off by"):
        table.add_column(name, justify="right", no_wrap=True)
    errors = predicted.errors(real)
    for field, name in _NAMES.items():
        table.add_row(
            name, f"{getattr(real, field):,.6g}", f"{getattr(predicted, field):,.6g}", f"{errors[field]:+.0%}"
        )
    return table

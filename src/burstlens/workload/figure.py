"""A report as a picture (PNG): latency over time, its distribution, and throughput. Needs the extra `simulate`."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from burstlens.errors import Misconfigured
from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.report import Latency, Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, LIGHT_BLUE, ORANGE, RED, GREY = "#0072B2", "#9ecae1", "#E69F00", "#A50026", "#666666"
"""Of different lightness too, so that colour-blind readers and printers can tell them apart."""

KINDS: Sequence[tuple[str, str, str, frozenset[Verdict]]] = (
    ("answered", BLUE, "o", frozenset({Verdict.RIGHT, Verdict.UNJUDGED})),
    ("wrong label", ORANGE, "s", frozenset({Verdict.WRONG})),
    ("failed", RED, "x", frozenset({Verdict.FAILED})),
)


def require_matplotlib() -> None:
    """Find out before a long run whether its picture can be drawn.

    Raises:
        Misconfigured: matplotlib is not installed.
    """
    if find_spec("matplotlib") is None:
        message = "a PNG report needs matplotlib: pip install 'burstlens[simulate]'"
        raise Misconfigured(message)


def write_png(path: Path, whole: Report, title: str) -> None:
    """Draw the report.

    Raises:
        Misconfigured: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"{title}\n{_headline(whole)}", fontsize=11)
    grid = figure.add_gridspec(2, 2)
    over_time = figure.add_subplot(grid[0, :])
    _draw_latency_over_time(over_time, whole.outcomes)
    _draw_distribution(figure.add_subplot(grid[1, 0]), whole)
    _draw_throughput(figure.add_subplot(grid[1, 1]), whole)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(visible=True, color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
    figure.savefig(path, format="png")


def _headline(whole: Report) -> str:
    parts = [f"{whole.answered} of {whole.planned} answered in {whole.elapsed_seconds:.1f} s"]
    if whole.judged:
        parts.append(f"{whole.right} of {whole.judged} labels right")
    parts.append(f"{whole.throughput_per_second:.1f} answers per second")
    return " · ".join(parts)


def _draw_latency_over_time(axes: "Axes", outcomes: Sequence[Outcome]) -> None:
    axes.set_title("latency of each request, by the moment it ended", loc="left", fontsize=10)
    axes.set_xlabel("seconds since the beginning")
    axes.set_ylabel("seconds")
    for name, colour, marker, verdicts in KINDS:
        chosen = [outcome for outcome in outcomes if outcome.verdict in verdicts]
        if chosen:
            axes.scatter(
                [outcome.ended_seconds for outcome in chosen],
                [outcome.latency_seconds for outcome in chosen],
                s=18,
                color=colour,
                marker=marker,
                alpha=0.8,
                label=f"{name} ({len(chosen)})",
                clip_on=False,
            )
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    if outcomes:
        axes.legend(loc="best", frameon=False, fontsize=9)


def _draw_distribution(axes: "Axes", whole: Report) -> None:
    axes.set_title("answers within a time", loc="left", fontsize=10)
    axes.set_xlabel("latency, seconds")
    axes.set_ylabel("share of the answers, %")
    axes.set_ylim(0, 104)
    latency = whole.latency_seconds
    if latency is None:
        return
    values = sorted(outcome.latency_seconds for outcome in whole.outcomes if outcome.label is not None)
    bins = min(40, max(5, len(values) // 4))
    axes.hist(values, bins=bins, weights=[100 / len(values)] * len(values), color=LIGHT_BLUE)
    axes.step([0.0, *values], [100 * rank / len(values) for rank in range(len(values) + 1)], where="post", color=BLUE)
    _mark_percentiles(axes, latency)
    axes.set_xlim(left=0)


def _mark_percentiles(axes: "Axes", latency: Latency) -> None:
    marks = (("p50", 50, latency.p50), ("p95", 95, latency.p95), ("p99", 99, latency.p99))
    for _, percent, value in marks:
        axes.axvline(value, color=GREY, linewidth=0.8, linestyle=":")
        axes.plot([value], [percent], "o", color=GREY, markersize=4)
    text = " · ".join(f"{name} {value:.3g} s" for name, _, value in marks)
    axes.set_title(f"answers within a time: {text}", loc="left", fontsize=10)


def _draw_throughput(axes: "Axes", whole: Report) -> None:
    axes.set_title("throughput (the last second may be a part of one)", loc="left", fontsize=10)
    axes.set_xlabel("seconds since the beginning")
    axes.set_ylabel("requests that ended")
    slices = max(1, int(whole.elapsed_seconds) + 1)
    middles = [second + 0.5 for second in range(slices)]
    floor = [0] * slices
    for _, colour, _, verdicts in KINDS:
        ended = [0] * slices
        for outcome in whole.outcomes:
            if outcome.verdict in verdicts:
                ended[min(slices - 1, int(outcome.ended_seconds))] += 1
        if any(ended):
            axes.bar(middles, ended, width=0.94, bottom=floor, color=colour)
        floor = [below + count for below, count in zip(floor, ended, strict=True)]
    axes.set_xlim(0, slices)
    axes.set_ylim(0, 1.08 * max(1, *floor))

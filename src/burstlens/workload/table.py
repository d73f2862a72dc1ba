"""Outcomes and reports as rich renderables; whoever has a console prints them."""

from collections.abc import Iterable, Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from burstlens.workload.outcomes import Outcome, Verdict
from burstlens.workload.report import Report

MARKS = {
    Verdict.RIGHT: ("✓", "green"),
    Verdict.WRONG: ("✗", "yellow"),
    Verdict.UNJUDGED: ("·", "dim"),
    Verdict.FAILED: ("!", "red"),
}
"""Sign and colour of each verdict: the sign alone says it, for terminals without colour."""


def outcome_table(outcomes: Iterable[Outcome]) -> Table:
    """One line for each outcome: image, label, score, latency and instance, or what went wrong."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    table.add_column("image", overflow="fold")
    table.add_column("")
    table.add_column("label", overflow="fold")
    table.add_column("score", justify="right", no_wrap=True)
    table.add_column("latency", justify="right", no_wrap=True)
    table.add_column("instance", no_wrap=True)
    for outcome in outcomes:
        mark, colour = MARKS[outcome.verdict]
        table.add_row(
            str(outcome.index + 1),
            Text(outcome.image),
            Text(mark, colour),
            _label(outcome),
            "" if outcome.score is None else f"{outcome.score:.3f}",
            seconds(outcome.latency_seconds),
            Text(outcome.instance),
        )
    return table


def _label(outcome: Outcome) -> Text:
    if outcome.problem is not None:
        return Text(f"{outcome.problem.kind}: {outcome.problem.message}".removesuffix(": "), "red")
    if outcome.verdict is Verdict.WRONG:
        return Text.assemble(outcome.label or "", (f" (right: {outcome.expected})", "yellow"))
    return Text(outcome.label or "")


def summary(whole: Report, max_rows: int = 10) -> RenderableType:
    """The report in a few lines, and a table of the first `max_rows` requests that got a wrong label."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, text in _lines(whole):
        grid.add_row(name, Text(text))
    wrong = [outcome for outcome in whole.outcomes if outcome.verdict is Verdict.WRONG]
    if not wrong:
        return grid
    more = len(wrong) - max_rows
    parts: list[RenderableType] = [grid, outcome_table(wrong[:max_rows])]
    if more > 0:
        parts.append(Text(f"and {more} more", "dim"))
    return Group(*parts)


def _lines(whole: Report) -> Iterable[tuple[str, str]]:
    yield "answered", f"{whole.answered} of {whole.planned} in {seconds(whole.elapsed_seconds)}"
    for kind, count in whole.problems.items():
        yield "failed", f"{count} × {kind}, the first {_first(whole, kind)}"
    if whole.unanswered:
        yield "unanswered", f"{whole.unanswered} (stopped before they ended)"
    if whole.judged:
        yield "right labels", f"{whole.right} of {whole.judged}"
    if latency := whole.latency_seconds:
        yield (
            "latency",
            f"p50 {seconds(latency.p50)}, p95 {seconds(latency.p95)}, p99 {seconds(latency.p99)}, "
            f"max {seconds(latency.max)}",
        )
    yield "throughput", f"{whole.throughput_per_second:.1f} answers per second"
    if whole.instances:
        yield "instances", _counts(whole.instances)


def _first(whole: Report, kind: str) -> str:
    """One image that had such a problem, and the reason it was given."""
    return next(
        f"{outcome.image}: {outcome.problem.message}".removesuffix(": ")
        for outcome in whole.outcomes
        if outcome.problem is not None and outcome.problem.kind == kind
    )


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} × {count}" for name, count in counts.items())


def seconds(value: float) -> str:
    """A duration with about three digits: ``0.84 ms``, ``12.3 ms``, ``203 ms``, ``4.56 s``, ``7 min 03 s``."""
    for below, factor, digits, unit in _SCALES:
        if value < below:
            return f"{value * factor:.{digits}f} {unit}"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s"


_SCALES = (
    (0.009995, 1000, 2, "ms"),
    (0.09995, 1000, 1, "ms"),
    (0.9995, 1000, 0, "ms"),
    (9.995, 1, 2, "s"),
    (99.95, 1, 1, "s"),
    (119.5, 1, 0, "s"),
)
"""Upper bound in seconds, factor, digits and unit; bounds are where rounding would reach the next scale."""

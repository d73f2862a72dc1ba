"""Rows as a rich table; whoever has a console prints it."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from burstlens.simulate.oracle import Bound
from burstlens.simulate.row import Row


def row_table(rows: Sequence[Row], attainment: float, bound: Bound | None) -> Table:
    """One line for each policy, in the order given; what misses `attainment` is marked with a sign and in red.

    Args:
        rows: what was simulated.
        attainment: the share of requests that was to meet the deadline.
        bound: what any policy has to pay; None if it is not known.
    """
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("policy", overflow="fold", min_width=12)
    for name in ("billed s", "money", "p50 s", "p95 s", "p99 s", "in time", "launches", "peak", "×bound"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(row.name),
            f"{row.billed_seconds:,.0f}",
            money(row.money),
            short(row.p50_seconds),
            short(row.p95_seconds),
            short(row.p99_seconds),
            mark(row.attainment, attainment),
            f"{row.launches:,}",
            f"{row.peak:,}",
            times(row, bound),
        )
    return table


def mark(value: float, wanted: float) -> Text:
    """A share in per cent, with a sign and in red if it is less than what is wanted."""
    return Text(f"{share(value)} ") if value >= wanted else Text(f"{share(value)}✗", "red")


def short(seconds: float) -> str:
    """Seconds with three digits, and no part of one from 100 on."""
    return f"{seconds:,.0f}" if seconds >= 99.95 else f"{seconds:.3g}"


def times(row: Row, bound: Bound | None) -> str:
    """How many times the lower bound it billed; a dash where there is none, or it is nothing."""
    if bound is None or not bound.feasible or not bound.billed_seconds:
        return "–"
    return f"{row.money / bound.money if bound.money else row.billed_seconds / bound.billed_seconds:.2f}"


def share(value: float) -> str:
    """A share in per cent, rounded down: 99.95 % is not 100 %."""
    return f"{int(value * 10_000 + 1e-6) / 100:.2f} %"


def money(value: float) -> str:
    """An amount with more decimals the smaller it is, never as a power of ten."""
    for below, digits in ((0.1, 5), (1.0, 4), (100.0, 3), (10_000.0, 1)):
        if value < below:
            return f"{value:.{digits}f}"
    return f"{value:,.0f}"

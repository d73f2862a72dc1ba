"""Plots of what was simulated over time: arrivals, backlog, instances, money, and the latencies."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from burstlens.simulate.outcome import Floats
from burstlens.simulate.picture import INK, PALETTE, look, svg
from burstlens.simulate.row import SHARES, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

UNITS = ((600.0, 1.0, "seconds"), (3 * 3600.0, 60.0, "minutes"), (3 * 86_400.0, 3600.0, "hours"))
"""Up to how many seconds an axis is marked in what unit; beyond the last, in days."""
WIDE = 20.0
"""From this ratio of the highest peak to the lowest, an axis is logarithmic, or small ones would not be seen."""


def arrivals_plot(rows: Sequence[Row]) -> str:
    """Requests per second over time; all rows have the same."""
    return svg(partial(_arrivals, row=rows[0]), height=2.4)


def _arrivals(figure: "Figure", row: Row) -> None:
    axes = figure.add_subplot()
    at = row.timeline.at
    width = float(at[1] - at[0]) if len(at) > 1 else 1.0
    _over_time(axes, at)
    axes.fill_between(at / _unit(at)[0], row.timeline.arrivals / width, step="post", color=PALETTE[0], linewidth=0)
    axes.set_ylabel("requests per second")
    axes.set_ylim(bottom=0)


def backlog_plot(rows: Sequence[Row]) -> str:
    """Requests that wait or are worked on, over time, by policy."""
    return svg(partial(_backlog, rows=rows))


def _backlog(figure: "Figure", rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    peaks = [max(1.0, float(row.timeline.backlog.max(initial=0))) for row in rows]
    label = "requests not yet answered"
    if max(peaks) > WIDE * min(peaks):
        axes.set_yscale("symlog", linthresh=10)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        label += "\n(logarithmic above 10)"
    _curves(axes, rows, [row.timeline.backlog for row in rows])
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)


def money_plot(rows: Sequence[Row]) -> str:
    """Money billed so far, over time, by policy."""
    return svg(partial(_money, rows=rows))


def _money(figure: "Figure", rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    _curves(axes, rows, [row.timeline.money for row in rows])
    axes.set_ylabel("billed so far, money")
    axes.set_ylim(bottom=0)


def instances_plot(rows: Sequence[Row]) -> str:
    """Instances of each pool over time, stacked; one panel for each policy, all to one scale."""
    lines = -(-len(rows) // 2)
    return svg(partial(_instances, rows=rows), height=0.6 + 1.8 * lines)


def _instances(figure: "Figure", rows: Sequence[Row]) -> None:
    columns = min(2, len(rows))
    panels = figure.subplots(-(-len(rows) // columns), columns, sharex=True, sharey=True, squeeze=False)
    flat = [axes for line in panels for axes in line]
    pools = list(dict.fromkeys(pool for row in rows for pool in row.timeline.instances))
    longest = max((row.timeline.at for row in rows), key=_end)
    for axes, row in zip(flat, rows, strict=False):
        at = row.timeline.at / _unit(longest)[0]
        floor = np.zeros(len(at))
        for index, pool in enumerate(pools):
            top = floor + row.timeline.instances.get(pool, 0.0)
            axes.fill_between(at, floor, top, step="post", color=PALETTE[index % len(PALETTE)], linewidth=0, label=pool)
            floor = top
        axes.set_title(row.name)
        axes.yaxis.get_major_locator().set_params(integer=True)
    for axes in flat[len(rows) :]:
        axes.remove()
    for axes in flat[max(0, len(rows) - columns) : len(rows)]:
        _over_time(axes, longest)
        axes.tick_params(labelbottom=True)
    flat[0].set_ylim(bottom=0)
    for line in panels:
        line[0].set_ylabel("instances")
    figure.legend(*flat[0].get_legend_handles_labels(), loc="outside right upper", title="pool")


def latency_plot(rows: Sequence[Row], deadline_seconds: float) -> str:
    """Share of the answered requests within a time, by policy."""
    return svg(partial(_latency, rows=rows, deadline_seconds=deadline_seconds))


def _latency(figure: "Figure", rows: Sequence[Row], deadline_seconds: float) -> None:
    axes = figure.add_subplot()
    least = min((row.quantiles[row.quantiles > 0].min(initial=deadline_seconds) for row in rows), default=0.1)
    for index, row in enumerate(rows):
        colour, dashes = look(index)
        answered = 100 * SHARES * (row.requests - row.unanswered) / max(1, row.requests)
        axes.step(
            np.maximum(row.quantiles, least), answered, where="post", color=colour, linestyle=dashes, label=row.name
        )
    axes.axvline(
        deadline_seconds, color=INK, linewidth=1, linestyle=(0, (1, 2)), label=f"deadline, {deadline_seconds:g} s"
    )
    axes.set_xscale("log")
    plain_ticks(axes.xaxis)
    axes.set_xlabel("seconds from arrival to answer (logarithmic)")
    axes.set_ylabel("share of all requests, %")
    axes.set_ylim(0, 102)
    _legend(axes)


def _curves(axes: "Axes", rows: Sequence[Row], values: Sequence[Floats]) -> None:
    """One curve for each row, over the time of the longest, with the legend beside them."""
    longest = max((row.timeline.at for row in rows), key=_end)
    for index, (row, curve) in enumerate(zip(rows, values, strict=True)):
        colour, dashes = look(index)
        # What ended early stays as it was.
        at = np.append(row.timeline.at, _end(longest)) / _unit(longest)[0]
        axes.step(at, np.append(curve, curve[-1:]), where="post", color=colour, linestyle=dashes, label=row.name)
    _over_time(axes, longest)
    _legend(axes)


def plain_ticks(axis: "Axis") -> None:
    """Mark a logarithmic axis with plain numbers, also where it spans less than two powers of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = sorted(axis.get_view_interval())
    steps = (1.0,) if high > 500 * max(low, 1e-9) else (1.0, 2.0, 5.0)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _legend(axes: "Axes") -> None:
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0)


def _over_time(axes: "Axes", at: Floats) -> None:
    seconds, name = _unit(at)
    axes.set_xlabel(f"{name} since the start")
    axes.set_xlim(0, max(1.0, _end(at)) / seconds)


def _unit(at: Floats) -> tuple[float, str]:
    """The unit for a time axis that ends there, in seconds and in words."""
    return next(((seconds, name) for below, seconds, name in UNITS if _end(at) <= below), (86_400.0, "days"))


def _end(at: Floats) -> float:
    return float(at[-1]) if len(at) else 0.0

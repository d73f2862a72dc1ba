"""What waiting costs: every policy in many settings, as money against latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from burstlens.scaling.options import ScalingOptions
from burstlens.simulate.picture import INK, MARKERS, PALETTE, svg
from burstlens.simulate.plots import plain_ticks
from burstlens.simulate.row import Row
from burstlens.simulate.trial import Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WAITING_PRICES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Money for an hour of one request's waiting, in multiples of an instance's price per hour: several decades."""
DEADLINE_FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Multiples of the deadline that was asked for."""
WIDE = 5.0
"""From this ratio of the highest bill to the lowest, the axis is logarithmic: the cheap ones are what one looks for."""
WAITING, DEADLINE = "waiting price", "deadline"
"""The two curves that `deadline` is drawn as, and how their settings begin."""


def curve_trials(options: ScalingOptions, price_per_hour: float) -> list[Trial]:
    """`deadline` along its two dials: what waiting is worth, and the deadline itself."""
    scale = price_per_hour or 1.0
    prices = [factor * scale for factor in WAITING_PRICES]
    deadlines = [factor * options.deadline_seconds for factor in DEADLINE_FACTORS]
    return [
        *(Trial("deadline", f"{WAITING} {_decimal(price)}", {"waiting_price_per_hour": price}) for price in prices),
        *(Trial("deadline", f"{DEADLINE} {seconds:g} s", {"deadline_seconds": seconds}) for seconds in deadlines),
    ]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Every setting that was tried."""

    rows: Sequence[Row]

    @property
    def curves(self) -> dict[str, list[Row]]:
        """The two curves of `deadline`, in the order of their dials."""
        own = [row for row in self.rows if row.policy == "deadline" and row.setting]
        return {
            dial: sorted((row for row in own if row.setting.startswith(dial)), key=_dial)
            for dial in (WAITING, DEADLINE)
        }

    @property
    def peers(self) -> dict[str, list[Row]]:
        """By policy, everything but `deadline`."""
        families: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.policy != "deadline":
                families.setdefault(row.policy, []).append(row)
        return families

    def undominated(self, attainment: float) -> list[Row]:
        """Rows of peers that no point of a curve is both cheaper and faster than (or as cheap and as fast).

        A point that answers too few in time is not held against a peer that answers enough.
        """
        points = [row for curve in self.curves.values() for row in curve]
        return [
            row
            for family in self.peers.values()
            for row in family
            if not any(
                point.money <= row.money
                and point.mean_seconds <= row.mean_seconds
                and (point.attainment >= attainment or row.attainment < attainment)
                for point in points
            )
        ]


def _decimal(price: float) -> str:
    return np.format_float_positional(price, precision=3, fractional=False, trim="-")


def _dial(row: Row) -> float:
    return float(row.setting.removeprefix(WAITING).removeprefix(DEADLINE).split()[0])


def pareto_plot(sweep: Sweep, attainment: float, bound_money: float | None) -> str:
    """Money against mean latency and against the 99th percentile; hollow points miss the attainment."""
    return svg(partial(_pareto, sweep=sweep, attainment=attainment, bound_money=bound_money), width=10.4, height=4.6)


def _pareto(figure: "Figure", sweep: Sweep, attainment: float, bound_money: float | None) -> None:
    left, right = figure.subplots(1, 2, sharey=True)
    _panel(left, sweep, attainment, "mean_seconds")
    _panel(right, sweep, attainment, "p99_seconds")
    left.set_xlabel("mean latency, seconds (logarithmic)")
    right.set_xlabel("99th percentile of the latency, seconds (logarithmic)")
    left.set_ylabel("bill, money")
    amounts = [row.money for row in sweep.rows if row.money > 0]
    if amounts and max(amounts) > WIDE * min(amounts):
        left.set_yscale("log")
        plain_ticks(left.yaxis)
        left.set_ylabel("bill, money (logarithmic)")
    else:
        left.set_ylim(bottom=0)
    for axes in (left, right):
        if bound_money:
            axes.axhline(bound_money, color=INK, linewidth=1, linestyle=(0, (1, 2)), label="lower bound")
        axes.set_xscale("log")
        plain_ticks(axes.xaxis)
    figure.legend(*left.get_legend_handles_labels(), loc="outside right upper")


def _panel(axes: "Axes", sweep: Sweep, attainment: float, latency: str) -> None:
    for index, (policy, family) in enumerate(sweep.peers.items()):
        colour = PALETTE[1:][index % (len(PALETTE) - 1)]
        for met in (True, False):
            some = [row for row in family if (row.attainment >= attainment) is met]
            axes.scatter(
                [getattr(row, latency) for row in some],
                [row.money for row in some],
                s=26,
                marker=MARKERS[index % len(MARKERS)],
                facecolors=colour if met else "none",
                edgecolors=colour,
                linewidths=1.0,
            )
        axes.scatter([], [], s=26, marker=MARKERS[index % len(MARKERS)], color=colour, label=policy)
    for name, dashes in ((WAITING, "-"), (DEADLINE, "--")):
        curve = sweep.curves[name]
        if curve:
            axes.plot(
                [getattr(row, latency) for row in curve],
                [row.money for row in curve],
                color=PALETTE[0],
                linestyle=dashes,
                marker="o" if name == WAITING else "D",
                markersize=5,
                markerfacecolor="none",
                label=f"deadline, by {name}",
            )
            in_time = [row for row in curve if row.attainment >= attainment]
            axes.plot(
                [getattr(row, latency) for row in in_time],
                [row.money for row in in_time],
                color=PALETTE[0],
                linestyle="",
                marker="o" if name == WAITING else "D",
                markersize=5,
            )

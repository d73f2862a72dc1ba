"""A study as a page: one folder that can be read offline, sent and kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path

from burstlens.simulate import results
from burstlens.simulate.oracle import Bound
from burstlens.simulate.pareto import Sweep, pareto_plot
from burstlens.simulate.plots import arrivals_plot, backlog_plot, instances_plot, latency_plot, money_plot
from burstlens.simulate.row import Row, best
from burstlens.simulate.table import money, share, times
from burstlens.workload.table import seconds

HEADINGS = ("policy", "billed s", "money", "mean", "p50", "p95", "p99", "in time", "launches", "peak", "× bound")


@dataclass(frozen=True, slots=True)
class Study:
    """Everything that a report tells."""

    title: str
    command: str
    """The command line that makes it again."""
    asked: Mapping[str, str]
    """The scenario, in words."""
    deadline_seconds: float
    attainment: float
    boot_seconds: float
    """The shortest of the pools'."""
    rows: Sequence[Row]
    """What was asked for, in that order; at least one."""
    sweep: Sweep
    bound: Bound | None = None
    """What any policy has to pay; None if it is not known."""
    notes: Sequence[str] = ()
    """What a reader must know of how it came about."""


def write_report(folder: Path, study: Study) -> None:
    """Write index.html, results.json and results.csv into the folder, which is made if need be.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = results.plain(dict(study.asked), study.rows, study.sweep.rows, study.bound)
    results.write_json(folder / "results.json", found)
    results.write_csv(folder / "results.csv", study.rows, study.sweep.rows)
    (folder / "index.html").write_text(page(study), encoding="utf-8")


def page(study: Study) -> str:
    """The page as HTML; it needs nothing from elsewhere and runs no script."""
    style = (files("burstlens.simulate") / "report.css").read_text(encoding="utf-8")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(study.title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(study.title)}</h1>
<p class="lead">{escape(verdict(study))}</p>
{table(study.rows, study)}
<p class="note">In time: answered within {study.deadline_seconds:g} s; wanted {100 * study.attainment:g} %.
× bound: the bill against {escape(_bound(study))}. <a href="results.csv">results.csv</a> ·
<a href="results.json">results.json</a></p>
{"".join(_figures(study))}
<h2>What was asked</h2>
<dl>
{"".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in study.asked.items())}
</dl>
{"".join(f'<p class="note">{escape(note)}</p>' for note in study.notes)}
<p class="note">Made by <code>{escape(study.command)}</code></p>
{_every_setting(study)}
</main>
</body>
</html>
"""


def verdict(study: Study) -> str:
    """The answer in a sentence or two: what is cheapest of what is in time."""
    winner = best(list(study.rows), study.attainment)
    wanted = f"{100 * study.attainment:g} % within {study.deadline_seconds:g} s"
    if winner.attainment < study.attainment:
        closest = f"None of these policies answers {wanted}. {winner.name} comes closest: {share(winner.attainment)}."
        if study.boot_seconds < study.deadline_seconds:
            return closest
        return f"{closest} A boot takes {study.boot_seconds:g} s: only instances that are there already can be in time."
    others = sorted(
        (row for row in study.rows if row is not winner and row.attainment >= study.attainment),
        key=lambda row: row.money,
    )
    first = f"{winner.name} is the cheapest that answers {wanted}: it bills {winner.billed_seconds:,.0f} s"
    if not others:
        return f"{first}, and no other policy here is in time."
    second = others[0]
    return f"{first}; the next, {second.name}, bills {second.billed_seconds:,.0f} s."


def table(rows: Sequence[Row], study: Study) -> str:
    """Rows as an HTML table."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in HEADINGS)
    body = "\n".join(_line(row, study) for row in rows)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'


def _line(row: Row, study: Study) -> str:
    met = row.attainment >= study.attainment
    latencies = (row.mean_seconds, row.p50_seconds, row.p95_seconds, row.p99_seconds)
    cells = [
        f"{row.billed_seconds:,.0f}",
        money(row.money),
        *(seconds(value) for value in latencies),
        share(row.attainment) if met else f'<span class="missed">{share(row.attainment)} ✗</span>',
        f"{row.launches:,}",
        f"{row.peak:,}",
        times(row, study.bound),
    ]
    return f'<tr><th scope="row">{escape(row.name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _bound(study: Study) -> str:
    if study.bound is None:
        return "a lower bound that was not computed"
    if not study.bound.feasible:
        return f"a lower bound that there is none of: {study.bound.status}"
    return (
        f"what any policy has to pay, even one that knows all arrivals: {money(study.bound.money)} "
        f"for {study.bound.billed_seconds:,.0f} s"
    )


def _bound_money(study: Study) -> float | None:
    return study.bound.money if study.bound is not None and study.bound.feasible else None


def _figures(study: Study) -> list[str]:
    rows = study.rows
    came = rows[0].timeline.at[rows[0].timeline.arrivals > 0]
    arrived = f"{rows[0].requests:,} requests, the last after {seconds(float(came[-1]) if len(came) else 0.0)}."
    waited = max(rows, key=lambda row: float(row.timeline.backlog.max(initial=0)))
    largest = max(rows, key=lambda row: row.peak)
    dearest, cheapest = (choose(rows, key=lambda row: row.money) for choose in (max, min))
    fastest, slowest = (choose(rows, key=lambda row: row.p50_seconds) for choose in (min, max))
    made = [
        _figure("Arrivals", arrivals_plot(rows), arrived),
        _figure(
            "Backlog",
            backlog_plot(rows),
            f"{waited.name} had the longest queue: {waited.timeline.backlog.max(initial=0):,.0f} requests.",
        ),
        _figure(
            "Instances",
            instances_plot(rows),
            f"All that exist, booting and draining ones too. {largest.name} had the most at once: {largest.peak:,}.",
        ),
        _figure(
            "Bill",
            money_plot(rows),
            f"From {money(cheapest.money)} ({cheapest.name}) to {money(dearest.money)} ({dearest.name}).",
        ),
        _figure(
            "Latency",
            latency_plot(rows, study.deadline_seconds),
            f"Half of the answers take {seconds(fastest.p50_seconds)} or less with {fastest.name}, "
            f"{seconds(slowest.p50_seconds)} with {slowest.name}; further left is faster.",
        ),
    ]
    if study.sweep.rows:
        plot = pareto_plot(study.sweep, study.attainment, _bound_money(study))
        made.append(_figure("What waiting costs", plot, pareto_words(study)))
    return made


def pareto_words(study: Study) -> str:
    """What the picture of money against latency says."""
    peers = [row for family in study.sweep.peers.values() for row in family]
    hollow = (
        f"Each point is one policy in one setting; hollow ones answer less than {100 * study.attainment:g} % in time."
    )
    if not any(study.sweep.curves.values()):
        return hollow
    better = len(peers) - len(study.sweep.undominated(study.attainment))
    return (
        f"{hollow} Down and left is better. The curves are the policy deadline: as waiting is given a higher price, "
        f"and for deadlines from a quarter to four times the one that was asked for. For {better} of the {len(peers)} "
        f"other settings, some point of the curves is at once as cheap and as fast on average, and in time if they are."
    )


def _figure(heading: str, plot: str, words: str) -> str:
    """A plot under its heading; what it says in words stands under it and is its alternative text."""
    text = escape(words)
    return (
        f'<h2>{escape(heading)}</h2>\n<figure>\n<div role="img" aria-label="{escape(heading)}: {text}">{plot}</div>\n'
        f"<figcaption>{text}</figcaption>\n</figure>\n"
    )


def _every_setting(study: Study) -> str:
    if not study.sweep.rows:
        return ""
    rows = sorted(study.sweep.rows, key=lambda row: (row.policy, row.money))
    return f"<details><summary>All {len(rows)} settings that were tried</summary>\n{table(rows, study)}\n</details>"

"""Outcomes and summary as they read on a terminal."""

import io

import pytest
from rich.console import Console, RenderableType

from burstlens.workload.formats import Format
from burstlens.workload.outcomes import Outcome, Problem
from burstlens.workload.report import report
from burstlens.workload.run import Run
from burstlens.workload.table import outcome_table, seconds, summary

RIGHT = Outcome(0, "hen.jpg", 0.0, 0.0, 0.0123, 200, "hen", 0.9, "app-tier-1", expected="hen")
WRONG = Outcome(1, "owl.jpg", 0.0, 0.0, 1.5, 200, "[red]cock", 0.4, "app-tier-2", expected="owl")
FAILED = Outcome(2, "cat.jpg", 0.0, 0.0, 200.0, 503, problem=Problem("http-503", "The queue is full."))


def rendered(renderable: RenderableType, width: int = 80) -> str:
    file = io.StringIO()
    Console(file=file, width=width).print(renderable)
    return file.getvalue()


def test_a_table_shows_each_outcome_in_one_line_of_80_columns() -> None:
    lines = [line.split() for line in rendered(outcome_table([RIGHT, WRONG, FAILED])).splitlines()]
    assert lines == [
        ["#", "image", "label", "score", "latency", "instance"],
        ["1", "hen.jpg", "✓", "hen", "0.900", "12.3", "ms", "app-tier-1"],
        ["2", "owl.jpg", "✗", "[red]cock", "(right:", "owl)", "0.400", "1.50", "s", "app-tier-2"],
        ["3", "cat.jpg", "!", "http-503:", "The", "queue", "is", "full.", "3", "min", "20", "s"],
    ]


def test_a_summary_tells_counts_latency_and_what_went_wrong() -> None:
    text = rendered(summary(report(Run((RIGHT, WRONG, FAILED), 4, 2.0, Format.V1))))
    for part in (
        "2 of 4 in 2.00 s",
        "1 × http-503, the first cat.jpg: The queue is full.",
        "1 (stopped before they ended)",
        "1 of 2",
        "p50 12.3 ms, p95 1.50 s, p99 1.50 s, max 1.50 s",
        "1.0 answers per second",
        "app-tier-1 × 1, app-tier-2 × 1",
        "(right: owl)",
    ):
        assert part in text
    assert "hen.jpg" not in text  # what went well needs no line


def test_a_summary_stays_short_when_everything_is_wrong() -> None:
    text = rendered(summary(report(Run((WRONG,) * 500, 500, 2.0, Format.V1)), max_rows=3))
    assert text.count("owl.jpg") == 3
    assert "and 497 more" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00 ms"),
        (0.00084, "0.84 ms"),
        (0.0123, "12.3 ms"),
        (0.2031, "203 ms"),
        (0.99996, "1.00 s"),
        (4.5678, "4.57 s"),
        (9.999, "10.0 s"),
        (119.97, "2 min 00 s"),
        (423.2, "7 min 03 s"),
    ],
)
def test_durations_have_three_digits(value: float, text: str) -> None:
    assert seconds(value) == text

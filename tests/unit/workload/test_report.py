"""Figures of a run, and the JSON document."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.messages import Timings
from burstlens.workload.formats import Format
from burstlens.workload.outcomes import Outcome, Problem, Verdict
from burstlens.workload.report import SCHEMA_VERSION, percentile, report, to_plain
from burstlens.workload.run import Run

RIGHT = Outcome(0, "hen.jpg", 0.0, 0.0, 0.5, 200, "hen", 0.9, "app-tier-1", Timings(infer_seconds=0.01), "hen")
WRONG = Outcome(1, "hen.jpg", 0.0, 0.0, 1.5, 200, "cock", 0.4, "app-tier-2", None, "hen")
UNJUDGED = Outcome(2, "owl.jpg", 1.0, 1.25, 2.5, 200, "owl", instance="app-tier-1")
FAILED = Outcome(3, "hen.jpg", 1.5, 1.5, 9.0, 503, expected="hen", problem=Problem("http-503", "full"))


def made(*outcomes: Outcome, planned: int | None = None, elapsed_seconds: float = 2.0) -> Run:
    return Run(outcomes, len(outcomes) if planned is None else planned, elapsed_seconds, Format.V1)


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=300),
    st.sampled_from([1, 25, 50, 90, 95, 99, 100]),
)
def test_percentiles_are_numpys_by_nearest_rank(values: list[float], percent: int) -> None:
    values.sort()
    # numpy multiplies in floating point, so it may be a rank too high where percent * n / 100 is a whole number
    ranks = {-(-percent * len(values) // 100), int(np.ceil(percent / 100 * len(values)))}
    expected = {float(np.partition(values, rank - 1)[rank - 1]) for rank in ranks if rank <= len(values)}
    assert percentile(values, percent) in expected
    if percent in {25, 50, 95, 99, 100}:
        assert percentile(values, percent) == np.percentile(values, percent, method="inverted_cdf")


@pytest.mark.parametrize(("percent", "rank"), [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_of_100_values_a_percentile_is_the_one_of_that_rank(percent: int, rank: int) -> None:
    assert percentile(range(1, 101), percent) == rank


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], 0), ([1.0], 101)])
def test_there_is_no_percentile_of_nothing(values: list[float], percent: int) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_verdicts() -> None:
    verdicts = [outcome.verdict for outcome in (RIGHT, WRONG, UNJUDGED, FAILED)]
    assert verdicts == [Verdict.RIGHT, Verdict.WRONG, Verdict.UNJUDGED, Verdict.FAILED]


def test_everything_planned_is_counted_exactly_once() -> None:
    whole = report(made(UNJUDGED, FAILED, RIGHT, WRONG, planned=7))
    assert (whole.answered, whole.failed, whole.unanswered, whole.planned) == (3, 1, 3, 7)
    assert (whole.judged, whole.right, whole.wrong) == (2, 1, 1)
    assert whole.problems == {"http-503": 1}
    assert whole.instances == {"app-tier-1": 2, "app-tier-2": 1}
    assert [outcome.index for outcome in whole.outcomes] == [0, 1, 2, 3]


def test_latency_is_that_of_answers_only_and_throughput_counts_answers() -> None:
    whole = report(made(RIGHT, WRONG, UNJUDGED, FAILED))
    assert whole.latency_seconds is not None
    assert (whole.latency_seconds.p50, whole.latency_seconds.mean, whole.latency_seconds.max) == (1.5, 1.5, 2.5)
    assert whole.throughput_per_second == 1.5
    assert whole.late_start_seconds == 0.25


@pytest.mark.parametrize(
    ("run", "ok"),
    [
        (made(RIGHT), True),
        (made(RIGHT, UNJUDGED), True),
        (made(RIGHT, WRONG), False),
        (made(RIGHT, FAILED), False),
        (made(RIGHT, planned=2), False),
    ],
)
def test_a_run_is_ok_when_all_was_answered_and_nothing_wrongly(run: Run, ok: bool) -> None:
    assert report(run).ok is ok


def test_a_run_that_was_stopped_at_once_has_a_report() -> None:
    whole = report(made(planned=3, elapsed_seconds=0.0))
    assert (whole.unanswered, whole.latency_seconds, whole.throughput_per_second) == (3, None, 0.0)


def test_the_json_document_keeps_its_keys() -> None:
    """A changed or missing key breaks whoever reads these files: raise SCHEMA_VERSION then."""
    document = json.loads(json.dumps(to_plain(report(made(RIGHT, FAILED)), {"url": "http://h/"})))
    assert document["schema_version"] == SCHEMA_VERSION == 1
    assert document["workload"] == {"url": "http://h/"}
    assert set(document) == {
        *(
            "schema_version",
            "workload",
            "planned",
            "answered",
            "failed",
            "unanswered",
            "judged",
            "right",
            "wrong",
            "ok",
        ),
        *("elapsed_seconds", "latency_seconds", "late_start_seconds", "throughput_per_second"),
        *("problems", "instances", "outcomes"),
    }
    assert set(document["latency_seconds"]) == {"mean", "p50", "p95", "p99", "max"}
    assert document["outcomes"][0] == {
        "index": 0,
        "image": "hen.jpg",
        "scheduled_seconds": 0.0,
        "started_seconds": 0.0,
        "latency_seconds": 0.5,
        "status": 200,
        "label": "hen",
        "score": 0.9,
        "instance": "app-tier-1",
        "timings": {"queue_wait_seconds": 0.0, "decode_seconds": 0.0, "infer_seconds": 0.01},
        "expected": "hen",
        "problem": None,
        "verdict": "right",
    }
    assert document["outcomes"][1]["problem"] == {"kind": "http-503", "message": "full"}

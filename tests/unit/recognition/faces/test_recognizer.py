"""From distances to candidates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burstlens.messages import Score
from burstlens.recognition.faces.recognizer import UNKNOWN, rank

DISTANCES = st.lists(st.floats(0, 4), min_size=1, max_size=20)


def ranked(distances: list[float]) -> tuple[Score, ...]:
    """The candidates when person 0, 1 and so on are so far away."""
    return rank([f"p{n}" for n in range(len(distances))], np.array(distances))


def labels(distances: list[float]) -> list[str]:
    return [score.label for score in ranked(distances)]


def test_people_come_by_closeness_and_unknown_where_the_threshold_is() -> None:
    assert labels([0.9, 0.4, 0.55]) == ["p1", "p2", UNKNOWN, "p0"]
    assert labels([0.9, 0.7]) == [UNKNOWN, "p1", "p0"]


def test_somebody_exactly_on_the_threshold_is_unknown() -> None:
    assert labels([0.6]) == [UNKNOWN, "p0"]
    assert labels([0.5999]) == ["p0", UNKNOWN]


def test_candidates_carry_their_place_in_the_index_and_unknown_has_none() -> None:
    places = {score.label: score.class_index for score in ranked([0.9, 0.4])}
    assert places == {"p0": 0, "p1": 1, UNKNOWN: None}


@pytest.mark.parametrize(
    ("distances", "label", "score"),
    [
        ([0.45, 0.8], "p0", 0.998),
        ([0.55, 0.8], "p0", 0.88),
        ([0.8] * 1000, UNKNOWN, 0.75),
        ([0.3, 0.3], "p0", 0.5),
    ],
)
def test_scores_tell_clear_cases_from_doubtful_ones(distances: list[float], label: str, score: float) -> None:
    best = ranked(distances)[0]
    assert best.label == label
    assert best.score == pytest.approx(score, abs=0.002)


@given(DISTANCES)
def test_scores_are_probabilities_in_falling_order_whatever_the_distances(distances: list[float]) -> None:
    scores = ranked(distances)
    values = [score.score for score in scores]
    assert values == sorted(values, reverse=True)
    assert sum(values) == pytest.approx(1, abs=1e-5)
    assert all(0 <= value <= 1 for value in values)
    assert len(values) == len(distances) + 1
    assert (scores[0].label == UNKNOWN) == (min(distances) >= 0.6)

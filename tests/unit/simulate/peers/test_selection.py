"""Which setting of the peers is best."""

import numpy as np
import pytest

from burstlens.simulate.outcome import Outcome, Timeline
from burstlens.simulate.peers.selection import Score, Single, best_in_hindsight, best_single, singles

EMPTY = np.zeros(0)


def score(name: str, money: float, attained: float) -> Score:
    return Score(name, money, money * 3_600, {30.0: attained})


def test_the_best_in_hindsight_is_the_cheapest_that_meets_the_deadline() -> None:
    scores = [score("dear", 9, 1.0), score("fit", 5, 0.99), score("cheap", 1, 0.9899)]
    assert best_in_hindsight(scores, 30) == scores[1]
    assert best_in_hindsight(scores[2:], 30) is None
    assert best_in_hindsight(scores, 30, share=0.5) == scores[2]


def test_the_best_single_setting_meets_most_scenarios_and_of_as_many_is_the_cheapest() -> None:
    scenarios = {
        "burst": [score("a", 1, 1.0), score("b", 4, 1.0), score("c", 3, 1.0)],
        "trace": [score("a", 1, 0.5), score("b", 4, 1.0), score("c", 3, 1.0)],
    }
    ranked = singles(scenarios, 30)
    assert [single.name for single in ranked] == ["c", "b", "a"]
    assert ranked[0] == Single("c", frozenset({"burst", "trace"}), 6)
    assert ranked[2].cells == {"burst"}
    assert best_single(scenarios, 30) == ranked[0]
    assert best_single({}, 30) is None


def test_scenarios_that_were_tried_with_other_settings_cannot_be_ranked() -> None:
    with pytest.raises(ValueError, match="same settings"):
        singles({"burst": [score("a", 1, 1)], "trace": [score("b", 1, 1)]}, 30)


def test_a_score_tells_the_attainment_for_each_deadline() -> None:
    timeline = Timeline(at=EMPTY, arrivals=EMPTY, backlog=EMPTY, instances={}, money=EMPTY)
    outcome = Outcome("x", 4, np.array([1.0, 2.0, 40.0, 50.0]), 60.0, 0.5, 1, 1, 0, timeline)
    found = Score.of("x", outcome, [5.0, 45.0])
    assert found == Score("x", 0.5, 60.0, {5.0: 0.5, 45.0: 0.75})
    assert found.meets(45, 0.75)
    assert not found.meets(5, 0.75)

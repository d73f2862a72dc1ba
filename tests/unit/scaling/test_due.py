"""What has to be done by when, and how many more that takes."""

import pytest

from burstlens.scaling.due import NEVER, Crew, Due, more

BOOT = 45.0


def all_the_time(left: float, serving: float) -> float:
    return serving


def test_a_crew_works_from_when_it_is_ready() -> None:
    crew = Crew(2, ((30.0, 1), (50.0, 3)))

    assert [crew.done_by(seconds) for seconds in (-1, 0, 10, 40, 60)] == [0, 0, 20, 90, 180]
    assert crew.without(1).done_by(10) == 10


@pytest.mark.parametrize(("work", "needed"), [(0, 0), (54, 1), (54.1, 2), (500, 10)])
def test_it_takes_what_is_left_over_the_time_that_they_serve(work: float, needed: int) -> None:
    assert more([Due(104, work)], Crew(0), BOOT, 5.0, all_the_time) == needed, "104 − 45 − 5 = 54 s each"


def test_who_works_already_is_reckoned_with() -> None:
    assert more([Due(100, 150)], Crew(1, ((50.0, 1),)), BOOT, 0.0, all_the_time) == 0
    assert more([Due(100, 151)], Crew(1, ((50.0, 1),)), BOOT, 0.0, all_the_time) == 1


def test_each_due_counts_not_only_the_last_one() -> None:
    assert more([Due(50, 10), Due(200, 20)], Crew(0), BOOT, 0.0, all_the_time) == 2, "5 s for the first ten"


def test_what_a_later_launch_would_be_too_late_for_is_never() -> None:
    assert more([Due(48, 1)], Crew(0), BOOT, 0.0, all_the_time) == 1
    assert more([Due(48, 1)], Crew(0), BOOT, 5.0, all_the_time) == NEVER


def test_what_is_late_anyway_calls_for_nobody() -> None:
    assert more([Due(45, 100), Due(-10, 50)], Crew(0), BOOT, 0.0, all_the_time) == 0

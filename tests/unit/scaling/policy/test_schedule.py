"""`schedule`: a floor by the clock under what the queue needs."""

from datetime import UTC, datetime

import pytest

from burstlens.scaling.observation import Observation
from burstlens.scaling.options import ScalingOptions
from burstlens.scaling.policy.base import Explaining
from burstlens.scaling.policy.schedule import Schedule
from burstlens.scaling.policy.target_tracking import TargetTracking

OPTIONS = ScalingOptions(
    schedule=("mon-fri 08:00-18:00 4", "mon 09:00-10:00 6", "sun 22:00-06:00 2"),
    target_backlog=10,
    scale_in_seconds=20,
    max_instances=12,
)
POLICY = Schedule.from_options(OPTIONS)


def observed(clock: str, *window: int, running: int = 0) -> Observation:
    """On Monday, 24 November 2025."""
    at = datetime.fromisoformat(f"2025-11-24 {clock}").replace(tzinfo=UTC).timestamp()
    return Observation(window[-1], window, running=running, at=at)


@pytest.mark.parametrize(
    ("clock", "wanted"), [("05:59", 2), ("06:00", 0), ("08:00", 4), ("09:30", 6), ("10:00", 4), ("18:00", 0)]
)
def test_the_largest_that_holds_counts(clock: str, wanted: int) -> None:
    assert POLICY.desired(observed(clock, 0)) == wanted


def test_a_queue_that_grows_beyond_the_timetable_gets_what_target_tracking_wants() -> None:
    assert POLICY.desired(observed("08:00", 35, running=4)) == 4
    assert POLICY.desired(observed("08:00", 55, running=4)) == 6
    assert POLICY.desired(observed("20:00", 55)) == 6


def test_the_end_of_a_shift_ends_what_the_queue_does_not_need() -> None:
    assert POLICY.desired(observed("17:59", *[15] * 5, running=4)) == 4
    assert POLICY.desired(observed("18:00", *[15] * 5, running=4)) == 2


def test_r2_the_cap_is_above_the_timetable() -> None:
    assert Schedule.from_options(OPTIONS.model_copy(update={"max_instances": 3})).desired(observed("09:00", 0)) == 3


def test_without_entries_it_is_target_tracking() -> None:
    plain = ScalingOptions()

    assert Schedule.from_options(plain) == Schedule((), TargetTracking.from_options(plain))


def test_it_says_why() -> None:
    assert isinstance(POLICY, Explaining)
    assert POLICY.explain(observed("08:00", 35)) == ("the schedule has 4 now; depth 35 makes 4 at 10 for each instance")

"""How long boots and requests take, as seen."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest

from burstlens.messages import WorkerState, utc
from burstlens.scaling.estimate import Estimate, booted_within, processes, told_by_pool, told_seconds, typical
from burstlens.scaling.members import Member
from support.fleets import NOW, heartbeat, member

HOUR = 3600.0


def working(
    number: int,
    *seconds: float | None,
    pool: str = "cores",
    state: WorkerState = WorkerState.BUSY,
    booted_in: Sequence[float] = (),
) -> Member:
    """One worker process for each measurement; launched a minute ago."""
    starts = booted_in or [30.0] * len(seconds)
    beats = [
        heartbeat(number, state, process=process).model_copy(
            update={"service_seconds": each, "started_at": utc(NOW - 60 + start)}
        )
        for process, (each, start) in enumerate(zip(seconds, starts, strict=True))
    ]
    return replace(member(number, pool=pool), fresh=tuple(beats), has_beaten=True)


def test_before_any_data_nothing_is_known() -> None:
    nothing = Estimate()
    assert (nothing.boot_seconds, nothing.slow_boot_seconds, nothing.service_seconds) == (None, None, None)
    assert told_seconds(working(1, None)) is None
    assert told_seconds(member(1)) is None
    assert booted_within(member(1), 120) is None
    assert told_by_pool([member(1), working(2, None)]) == {}


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0, 0.0, 1e300])
def test_what_no_request_can_take_is_not_heard(seconds: float) -> None:
    assert told_seconds(working(1, seconds)) is None
    assert told_seconds(working(1, seconds, 0.5)) == 0.25


def test_the_workers_of_one_instance_work_side_by_side() -> None:
    assert told_seconds(working(1, 0.5)) == 0.5
    assert told_seconds(working(1, 0.5, 0.5)) == 0.25
    assert told_seconds(working(1, 0.4, 0.6, None, None)) == 0.125, "those that finished nothing yet are as fast"
    assert processes(working(1, 0.5, 0.5)) == 2


def test_a_worker_that_ends_is_none_of_those_at_work() -> None:
    instance = working(1, 0.5)
    ended = working(1, 0.5, state=WorkerState.STOPPED).fresh

    assert processes(replace(instance, fresh=instance.fresh + ended)) == 1


def test_one_odd_machine_moves_a_pool_little() -> None:
    fleet = [working(n, 0.5) for n in range(1, 5)] + [working(5, 60.0), working(6, 0.1, pool="burst")]

    assert told_by_pool(fleet) == {"cores": 0.5, "burst": 0.1}


def test_what_heartbeats_told_stands_while_they_tell_nothing() -> None:
    told = Estimate().after_told(0.4)

    assert told.after_told(None).service_seconds == 0.4
    assert told.after_told(0.4) is told


def test_a_new_worker_s_first_word_does_not_make_what_was_known_forgotten() -> None:
    known = Estimate()
    for seconds in (0.49, 0.50, 0.51, 3.0):
        known = known.after_told(seconds)
    assert known.service_seconds == pytest.approx(0.505)

    for tick in range(31):
        known = known.after_told(1.0 + tick / 1000)
    assert known.service_seconds == pytest.approx(1.015), "but what changed for good is believed soon"


def test_results_outweigh_what_heartbeats_tell_once_there_are_a_few() -> None:
    few = Estimate().after_told(0.4).after_laps([0.5] * 3 + [9.0], NOW)
    assert few.service_seconds == 0.4

    assert few.after_laps([9.0], NOW).service_seconds == 0.5, "two odd laps of five move nothing"


def test_old_laps_are_forgotten() -> None:
    slow = Estimate().after_told(0.4).after_laps([5.0] * 5, NOW)

    assert slow.after_laps([], NOW + HOUR).service_seconds == 5.0
    assert slow.after_laps([], NOW + HOUR + 1).service_seconds == 0.4
    assert Estimate().after_laps([5.0] * 99, NOW).after_laps([1.0] * 31, NOW + 5).service_seconds == 1.0


def test_a_boot_lasts_from_the_launch_to_the_first_worker_that_starts() -> None:
    assert booted_within(working(1, None, None, booted_in=(31.0, 29.0)), 120) == 29.0
    assert booted_within(working(1, None, booted_in=(-3.0,)), 120) == 0.0, "two machines' clocks"


def test_a_worker_that_took_the_place_of_another_tells_nothing_of_the_boot() -> None:
    assert booted_within(working(1, None, booted_in=(50.0,)), 49) is None


@pytest.mark.parametrize(
    ("boots", "seconds", "slow_seconds"),
    [
        ([45.0], 45.0, 60.0),
        ([30.0, 90.0, 40.0], 40.0, 100.0),
        ([45.0] * 19 + [900.0], 45.0, 45.0),
        ([45.0] * 11 + [90.0] * 9, 45.0, 90.0),
    ],
    ids=["the first", "few", "one is odd", "nearly half are slow"],
)
def test_boots_have_a_usual_and_a_slow_length(boots: list[float], seconds: float, slow_seconds: float) -> None:
    known = Estimate().after_boots(boots)

    assert (known.boot_seconds, known.slow_boot_seconds) == (seconds, slow_seconds)


def test_only_the_last_boots_count() -> None:
    assert Estimate().after_boots([300.0] * 50).after_boots([40.0] * 20).boot_seconds == 40.0


def test_nothing_new_is_no_new_value() -> None:
    known = Estimate().after_told(0.4).after_boots([30.0]).after_laps([0.5], NOW)

    assert known.after_told(None).after_boots([]).after_laps([], NOW + 1) is known


def test_a_pool_that_was_never_seen_at_work_is_taken_to_be_like_the_others() -> None:
    assert typical([], 0.5) == 0.5
    assert typical([0.1, 0.2, 9.0], 0.5) == 0.2

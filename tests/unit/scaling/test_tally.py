"""What has left the queue, as heartbeats tell it and as nobody tells it."""

import pytest

from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.scaling.tally import Lap, Tally, Vanished
from support.fleets import NOW

FORGET = 600.0


def beat(
    done: int,
    at: float,
    *,
    worker: str = "i1-1",
    started_at: float = -100.0,
    failed: int = 0,
    state: WorkerState = WorkerState.BUSY,
) -> Heartbeat:
    """Times are seconds since NOW."""
    return Heartbeat(
        worker=worker,
        instance=worker.split("-", maxsplit=1)[0],
        state=state,
        started_at=utc(NOW + started_at),
        sent_at=utc(NOW + at),
        done=done,
        failed=failed,
        held=1,
    )


def looked(*looks: list[Heartbeat], waiting: int = 0) -> Tally:
    """A look every five seconds, the first one now."""
    tally = Tally(FORGET)
    for number, beats in enumerate(looks):
        tally.look(beats, waiting, NOW + 5 * number)
    return tally


def test_r20_what_was_done_before_the_first_look_is_not_news() -> None:
    assert looked([beat(1000, 0)]).done == 0
    assert looked([beat(1000, 0)], [beat(1007, 5, failed=2)]).done == 9


def test_r20_a_worker_that_could_not_be_read_at_first_brings_no_past_along() -> None:
    assert looked([], [beat(1000, 5)], [beat(1003, 10)]).done == 3


def test_a_worker_that_started_after_the_first_look_counts_in_full() -> None:
    assert looked([], [beat(7, 4, started_at=1)]).done == 7


def test_an_unchanged_heartbeat_is_counted_once() -> None:
    first, second = beat(0, 0), beat(4, 3)

    assert looked([first], [second], [second], [second]).done == 4


@pytest.mark.parametrize(
    ("count", "started_at"),
    [(2, 6), (50, 6), (2, -200)],
    ids=["fewer than before", "more than before", "its clock was set back"],
)
def test_a_worker_that_starts_again_under_its_old_name_counts_from_zero(count: int, started_at: float) -> None:
    assert looked([beat(10, 0)], [beat(20, 3)], [beat(count, 9, started_at=started_at)]).done == 10 + count


def test_an_older_heartbeat_that_is_read_late_takes_nothing_back() -> None:
    assert looked([beat(0, -1)], [beat(20, 4)], [beat(12, 2)], [beat(25, 14)]).done == 25


def test_a_worker_that_is_not_read_for_a_moment_is_not_counted_again() -> None:
    young = beat(5, 3, started_at=1)

    assert looked([], [young], [], [], [beat(6, 18, started_at=1)]).done == 6


def test_workers_that_are_gone_for_long_are_forgotten() -> None:
    tally = looked([], [beat(5, 3, started_at=1)])
    tally.look([], 0, NOW + 3 + FORGET)
    tally.look([beat(6, 3 + FORGET, started_at=1)], 0, NOW + 5 + FORGET)
    assert tally.done == 6

    tally.look([], 0, NOW + 2 * FORGET + 10)
    assert tally._workers == {}


def test_a_worker_that_is_there_is_not_forgotten_however_long_it_is_silent() -> None:
    silent, other = beat(5, 3, started_at=1), beat(2, 3, worker="i2-1", started_at=1)
    tally = looked([], [silent, other])
    for at in (FORGET + 5, FORGET + 10):
        tally.look([silent], 0, NOW + at)

    assert tally.done == 7


def test_a_lap_is_the_time_of_ten_requests_while_more_wait() -> None:
    tally = looked([beat(0, 0)], [beat(4, 4)], waiting=100)

    assert tally.look([beat(9, 9)], 100, NOW + 10) == []
    assert tally.look([beat(14, 14)], 100, NOW + 15) == [Lap("i1", 1.0)], "fourteen requests in as many seconds"


def test_no_lap_runs_while_the_queue_may_have_been_empty() -> None:
    tally = looked([beat(0, 0)], [beat(0, 4)])

    assert tally.look([beat(60, 9)], 119, NOW + 10) == [], "119 waited and 60 were done: too close to be sure"
    assert tally.look([beat(70, 14)], 20, NOW + 15) == [], "nor did it run when this one began"
    assert tally.look([beat(80, 19)], 20, NOW + 20) == [Lap("i1", 0.5)]


def test_a_worker_that_drains_runs_no_lap() -> None:
    tally = looked([beat(0, 0)], [beat(5, 4)], waiting=100)

    assert tally.look([beat(40, 9, state=WorkerState.DRAINING)], 100, NOW + 10) == []


def vanished(*counts: tuple[float, int, int], unknown_after: int = 99) -> float:
    """(total, depth, done) every five seconds."""
    lost = Vanished(20.0)
    for number, (total, depth, done) in enumerate(counts):
        lost.look(total, depth, done, NOW + 5 * number)
        if number == unknown_after:
            lost.start_again()
    return lost.count


def test_what_a_killed_worker_had_done_is_missed_after_a_while() -> None:
    assert vanished((0, 10, 0), *[(10, 0, 7)] * 4) == 0
    assert vanished((0, 10, 0), *[(10, 0, 7)] * 5) == 3


def test_a_count_that_dips_takes_nothing_from_the_books() -> None:
    dips = [(100.0, depth, 0) for depth in (100, 0, 56, 0, 100, 0, 0, 0, 100, 0)]

    assert vanished(*dips) == 0


def test_heartbeats_that_lag_behind_a_long_drain_take_nothing_from_the_books() -> None:
    late = [(1000.0, 1000 - 50 * tick, max(0, 50 * tick - 40)) for tick in range(20)]

    assert vanished(*late) == 0


def test_nothing_is_concluded_across_a_tick_that_knew_nothing() -> None:
    counts = [(10.0, 10, 0), *[(10.0, 0, 7)] * 6]

    assert vanished(*counts, unknown_after=3) == 0

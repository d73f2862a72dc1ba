"""DelayedOff, tick by tick."""

from burstlens.simulate.peers.delayed_off import DelayedOff
from support.looks import look, sizes


def test_each_request_that_finds_all_busy_starts_one() -> None:
    assert DelayedOff().desired(look(0, 7, running=3, pending=2)) == 7
    assert DelayedOff().desired(look(0, 5, running=3, pending=2)) == 5, "as many are on or on their way"


def test_one_that_was_idle_all_the_time_goes_and_one_that_worked_meanwhile_stays() -> None:
    policy = DelayedOff(wait_seconds=60)
    depths = [1] * 6 + [2] + [1] * 30
    wanted = sizes(policy, len(depths), lambda at, size: look(at, depths[int(at - 1_000) // 5], running=size), size=3)
    assert wanted[:12] == [3] * 12
    assert wanted[12:19] == [2] * 7, "the third was idle for 60 s"
    assert wanted[19:] == [1] * 18, "the second for 60 s after it worked at tick 6"


def test_without_waiting_an_idle_one_goes_at_once() -> None:
    assert DelayedOff(wait_seconds=0).desired(look(0, 1, running=3)) == 1


def test_what_was_just_taken_away_is_not_taken_from_the_rest_again() -> None:
    policy = DelayedOff(wait_seconds=10)
    assert sizes(policy, 10, lambda at, size: look(at, 2, running=size), size=4) == [4, 4] + [2] * 8


def test_with_a_packing_factor_one_holds_several() -> None:
    assert DelayedOff(packing=10).desired(look(0, 31, running=1)) == 4

"""What one simulated instance does at which moment."""

import pytest

from burstlens.clouds.base import State
from burstlens.simulate.machine import Machine


def machine(*, heartbeat_seconds: float = 5.0) -> Machine:
    """Launched at 100 s, running at 110 s, ready at 150 s."""
    return Machine(0, "app-tier-1", "public", "fleet", 100.0, 110.0, 150.0, heartbeat_seconds)


def said(one: Machine, at: float) -> tuple[float, int, int]:
    one.beat(at)
    return one.note.sent_at, one.note.done, one.note.held


def test_it_is_pending_then_running_until_it_is_terminated() -> None:
    one = machine()
    one.terminate(200.0)

    states = [one.state(at) for at in (109.0, 110.0, 199.0, 200.0)]

    assert states == [State.PENDING, State.RUNNING, State.RUNNING, State.TERMINATED]


@pytest.mark.parametrize("at", [105.0, 120.0, 170.0])
def test_one_that_boots_or_is_idle_is_gone_as_it_is_drained(at: float) -> None:
    one = machine()
    one.drain(at)

    assert one.state(at) is State.TERMINATED


def test_r4_a_busy_one_that_is_drained_finishes_its_request() -> None:
    one = machine()
    one.take(0, finish=180.0, seconds=20.0)
    one.drain(170.0)

    assert (one.state(179.0), one.ended_at) == (State.DRAINING, 180.0)


def test_what_has_ended_does_not_end_again() -> None:
    one = machine()
    one.drain(170.0)
    one.drain(180.0)
    one.terminate(190.0)

    assert one.ended_at == 170.0


def test_r14_an_interrupted_one_has_until_the_end_of_its_notice() -> None:
    soon, late = machine(), machine()
    for one, finish in ((soon, 250.0), (late, 400.0)):
        one.interrupt(200.0, 120.0)
        one.take(0, finish, finish - 190.0)
        one.settle(200.0)

    assert (soon.ended_at, late.ended_at) == (250.0, 320.0)
    assert soon.ended_in_order
    assert not late.ended_in_order


def test_it_beats_first_when_it_is_ready_and_then_at_its_own_intervals() -> None:
    one = machine()

    assert said(one, 149.0)[0] < 0, "it has not said anything yet"
    assert said(one, 150.0) == (150.0, 0, 0)
    assert said(one, 154.0) == (150.0, 0, 0)
    assert said(one, 163.0) == (160.0, 0, 0)


def test_a_heartbeat_says_what_was_done_and_held_when_it_was_sent() -> None:
    one = machine()
    one.take(0, finish=158.0, seconds=8.0)
    assert said(one, 157.0) == (155.0, 0, 1)

    one.attend(162.0)
    one.take(1, finish=170.0, seconds=8.0)
    assert (one.note.sent_at, one.note.done, one.note.held) == (160.0, 1, 0)
    assert said(one, 166.0) == (165.0, 1, 1)


def test_one_that_goes_from_request_to_request_never_says_that_it_is_idle() -> None:
    one = machine()
    for number in range(10):
        one.attend(150.0 + 5 * number)
        one.take(number, finish=155.0 + 5 * number, seconds=5.0)

        assert said(one, 150.0 + 5 * number) == (150.0 + 5 * number, number, 1)


def test_the_service_time_is_smoothed_over_what_is_done() -> None:
    one = machine()
    one.take(0, finish=152.0, seconds=2.0)
    one.take(1, finish=162.0, seconds=10.0)

    assert said(one, 160.0) == (160.0, 1, 1)
    assert one.note.service_seconds == 2.0
    one.beat(165.0)
    assert one.note.service_seconds == pytest.approx(2.8)


def test_an_ended_one_beats_no_more() -> None:
    one = machine()
    one.terminate(157.0)

    assert said(one, 500.0) == (155.0, 0, 0)

"""What simulated workers say of themselves, and what is left of it when they are gone."""

import asyncio

from burstlens.messages import Heartbeat, WorkerState
from burstlens.simulate.beats import SimulatedHeartbeats
from burstlens.simulate.clock import START
from burstlens.simulate.machine import Machine
from burstlens.simulate.site import Site
from support.simulated import pool_of, world_of


class Board:
    """Heartbeats at a moment that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.site = Site(world_of(pool_of(boot=45.0)))
        self.heartbeats = SimulatedHeartbeats(self.site, lambda: self.now)

    def launch(self) -> Machine:
        return self.site.launch("public", "app-tier-1", "fleet", self.now)

    def at(self, now: float) -> list[Heartbeat]:
        self.now = now
        return asyncio.run(self.heartbeats.all())


def said(beats: list[Heartbeat]) -> list[tuple[WorkerState, float, int, int]]:
    return [(beat.state, beat.sent_at.timestamp() - START, beat.done, beat.held) for beat in beats]


def test_a_worker_says_nothing_until_it_is_ready() -> None:
    board = Board()
    machine = board.launch()
    assert board.at(44.0) == []

    (beat,) = board.at(46.0)
    assert (beat.instance, beat.pool, beat.service_seconds) == (machine.id, "public", None)
    assert beat.started_at.timestamp() == START + 45.0
    assert said([beat]) == [(WorkerState.IDLE, 45.0, 0, 0)]


def test_it_says_what_it_did_and_holds_and_that_it_drains_and_that_it_has_ended() -> None:
    board = Board()
    machine = board.launch()
    machine.take(0, finish=49.0, seconds=4.0)
    assert said(board.at(46.0)) == [(WorkerState.BUSY, 45.0, 0, 1)]
    assert said(board.at(50.0)) == [(WorkerState.IDLE, 50.0, 1, 0)]

    machine.take(1, finish=70.0, seconds=20.0)
    machine.drain(52.0)
    assert said(board.at(56.0)) == [(WorkerState.DRAINING, 55.0, 1, 1)]
    assert said(board.at(71.0)) == [(WorkerState.STOPPED, 70.0, 2, 0)]


def test_one_that_ends_and_is_forgotten_between_two_looks_has_said_so() -> None:
    board = Board()
    machine = board.launch()
    board.at(50.0)
    machine.drain(50.0)
    board.site.forget(50.0)

    assert said(board.at(55.0)) == [(WorkerState.STOPPED, 50.0, 0, 0)]


def test_one_that_is_cut_off_does_not_say_so() -> None:
    board = Board()
    machine = board.launch()
    machine.take(0, finish=100.0, seconds=55.0)
    machine.terminate(57.0)

    assert said(board.at(80.0)) == [(WorkerState.BUSY, 55.0, 0, 1)]


def test_one_that_ended_as_it_booted_never_said_anything() -> None:
    board = Board()
    board.launch().terminate(30.0)

    assert board.at(100.0) == []


def test_what_was_removed_does_not_come_back() -> None:
    board = Board()
    machine = board.launch()
    machine.terminate(60.0)
    assert len(board.at(60.0)) == 1

    asyncio.run(board.heartbeats.remove(machine.id))
    assert board.at(65.0) == []

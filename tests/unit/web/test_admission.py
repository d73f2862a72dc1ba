import asyncio

import pytest

from burstlens.clock import ManualClock
from burstlens.errors import Unavailable
from burstlens.queues.base import Message
from burstlens.web.admission import Admission
from burstlens.web.metrics import Metrics
from burstlens.web.options import WebOptions
from burstlens.web.problems import Kind, Problem
from burstlens.web.waiters import Waiters
from support.web import TroubledQueue

pytestmark = pytest.mark.anyio


class House:
    """An admission over a queue that can be in trouble."""

    def __init__(self, **options: object) -> None:
        self.clock = ManualClock()
        self.queue = TroubledQueue()
        self.admission = Admission(
            self.queue, Waiters(self.clock), WebOptions.model_validate(options), self.clock, Metrics()
        )

    async def refuses(self) -> bool:
        try:
            await self.admission.enter()
        except Problem as problem:
            return problem.kind is Kind.BUSY
        finally:
            await asyncio.sleep(0.01)  # a depth that is asked for in the background comes in
        return False


async def test_old_depth_is_asked_for_again_before_anybody_is_refused() -> None:
    house = House(max_backlog=2)
    await house.queue.send([Message("x"), Message("y")])
    assert await house.refuses()
    await house.queue.delete(await house.queue.receive(10, 0))
    await house.clock.advance(3600)
    assert not await house.refuses()


async def test_depth_of_a_moment_ago_is_used_while_the_next_one_is_asked_for() -> None:
    house = House(max_backlog=2)
    assert not await house.refuses()
    await house.queue.send([Message("x"), Message("y")])
    await house.clock.advance(0.5)
    assert not await house.refuses()
    assert house.queue.asked == 1
    await house.clock.advance(0.5)
    assert not await house.refuses()
    assert house.queue.asked == 2
    assert await house.refuses()


async def test_r7_unknown_depth_is_the_last_known_plus_what_was_sent_since() -> None:
    house = House(max_backlog=3)
    await house.queue.send([Message("x")])
    assert not await house.refuses()
    house.queue.trouble = Unavailable("no answer")
    for _ in range(2):
        await house.clock.advance(10)
        assert not await house.refuses()
        house.admission.note_sent()
    await house.clock.advance(10)
    assert await house.refuses()


async def test_memory_is_given_back_however_the_upload_ends() -> None:
    house = House(max_held_bytes=10)
    with house.admission.holding() as first:
        first.add(6)
        with house.admission.holding() as second:
            second.add(4)
            with pytest.raises(Problem, match="Too many uploads"):
                second.add(1)
        first.release()
        with house.admission.holding() as third:
            third.add(10)
    with house.admission.holding() as last:
        last.add(10)

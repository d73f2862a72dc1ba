import asyncio

import pytest

from burstlens.clock import ManualClock
from burstlens.messages import Result, utc
from burstlens.web.waiters import Ending, Waiters

pytestmark = pytest.mark.anyio

ID = "a" * 32


def result(request_id: str = ID) -> Result:
    return Result(id=request_id, filename="a.jpg", label="bathtub", completed_at=utc(0))


async def test_everybody_who_waits_for_a_result_gets_it() -> None:
    waiters = Waiters(ManualClock())
    with waiters.expect(ID) as first, waiters.expect(ID) as second, waiters.expect("b" * 32) as other:
        assert waiters.deliver(result())
        assert [await first.wait(1), await second.wait(1)] == [result(), result()]
        assert other.outcome is Ending.TIMED_OUT
        assert len(waiters) == 3


async def test_result_that_nobody_waits_for_is_said_to_be_unclaimed() -> None:
    waiters = Waiters(ManualClock())
    assert not waiters.deliver(result())
    with waiters.expect(ID):
        assert ID in waiters
    assert ID not in waiters
    assert len(waiters) == 0
    assert not waiters.deliver(result())


async def test_wait_ends_after_its_time_by_the_clock() -> None:
    clock = ManualClock()
    waiters = Waiters(clock)
    with waiters.expect(ID) as waiter:
        waiting = asyncio.create_task(waiter.wait(60))
        await clock.advance(59)
        assert not waiting.done()
        await clock.advance(1)
        assert await waiting is Ending.TIMED_OUT


async def test_result_wins_over_a_client_that_left_at_the_same_moment() -> None:
    waiters = Waiters(ManualClock())
    orders: list[list[Result | Ending]] = [[result(), Ending.CLIENT_GONE], [Ending.CLIENT_GONE, result()]]
    for endings in orders:
        with waiters.expect(ID) as waiter:
            for ending in endings:
                waiter.settle(ending)
            assert waiter.outcome == result()


async def test_stop_ends_every_wait_now_and_later() -> None:
    waiters = Waiters(ManualClock())
    with waiters.expect(ID) as waiter:
        waiters.stop()
        assert await waiter.wait(60) is Ending.STOPPING
    with waiters.expect(ID) as late:
        assert await late.wait(60) is Ending.STOPPING


async def test_due_names_each_id_once_in_an_interval_and_the_longest_unseen_first() -> None:
    clock = ManualClock()
    waiters = Waiters(clock)
    ids = [f"request-{n}" for n in range(5)]
    with waiters.expect(ids[0]), waiters.expect(ids[1]), waiters.expect(ids[2]):
        assert waiters.due(3, 10) == []
        await clock.advance(2)
        with waiters.expect(ids[3]), waiters.expect(ids[3]):
            await clock.advance(1)
            assert waiters.due(3, 2) == ids[:2]
            assert waiters.due(3, 2) == ids[2:3]
            assert waiters.due(3, 2) == []
            await clock.advance(2)
            assert waiters.due(3, 10) == ids[3:4]
            await clock.advance(1)
            assert waiters.due(3, 10) == ids[:3]

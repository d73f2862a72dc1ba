import asyncio

import pytest

from burstlens.clock import ManualClock, SystemClock

pytestmark = pytest.mark.anyio


async def test_manual_time_stands_still_until_advanced() -> None:
    clock = ManualClock(now=100.0)
    order: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        order.append((name, clock.now()))

    tasks = [asyncio.create_task(sleeper("late", 5)), asyncio.create_task(sleeper("early", 2))]
    await clock.advance(1)
    assert order == []
    await clock.advance(10)
    assert order == [("early", 102.0), ("late", 105.0)]
    assert clock.now() == 111.0
    await asyncio.gather(*tasks)


async def test_a_sleeper_that_sleeps_again_wakes_in_the_same_advance() -> None:
    clock = ManualClock(now=0.0)
    seen: list[float] = []

    async def ticker() -> None:
        for _ in range(3):
            await clock.sleep(1)
            seen.append(clock.now())

    task = asyncio.create_task(ticker())
    await clock.advance(0)
    await clock.advance(10)
    assert seen == [1.0, 2.0, 3.0]
    await task


@pytest.mark.parametrize("clock", [ManualClock(), SystemClock()])
async def test_waiting_ends_with_the_event(clock: ManualClock | SystemClock) -> None:
    event = asyncio.Event()
    waiting = asyncio.create_task(clock.wait(event, 60))
    await asyncio.sleep(0)
    event.set()
    assert await waiting is True


async def test_waiting_ends_with_the_time() -> None:
    clock = ManualClock()
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 3))
    await clock.advance(0)
    await clock.advance(3)
    assert await waiting is False
    assert await SystemClock().wait(asyncio.Event(), 0.001) is False

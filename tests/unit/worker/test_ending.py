"""The end of a worker whose credentials end, by a clock that may be wrong."""

import asyncio

import pytest
from structlog.testing import capture_logs

from burstlens.clock import ManualClock
from burstlens.settings import Settings
from burstlens.worker.ending import CLOCK_SECONDS, end_in_time
from burstlens.worker.options import WorkerOptions
from support.workers import bench

pytestmark = pytest.mark.anyio

START = 1_700_000_000.0


class WrongClock(ManualClock):
    """It is so much ahead of the right time, until somebody sets it."""

    def __init__(self, ahead_seconds: float) -> None:
        super().__init__(START)
        self.ahead_seconds = ahead_seconds

    def now(self) -> float:
        return super().now() + self.ahead_seconds


def watched(clock: ManualClock, **options: float) -> tuple[list[float], "asyncio.Task[None]"]:
    """When it drained, and the task that watches."""
    drained: list[float] = []

    def drain() -> None:
        drained.append(clock.now())

    return drained, asyncio.create_task(end_in_time(WorkerOptions(**options), clock, drain))


async def test_a_worker_drains_a_whole_drain_before_its_end() -> None:
    clock = ManualClock(START)
    drained, task = watched(clock, ends_at=START + 3600, drain_seconds=60)

    await clock.advance(3539)
    assert drained == []
    await clock.advance(1)
    assert drained == [START + 3540]
    await task


async def test_a_worker_without_an_end_has_none() -> None:
    clock = ManualClock(START)
    drained, task = watched(clock)

    await clock.advance(10 * 86_400)
    assert (drained, task.done()) == ([], True)


async def test_a_clock_that_began_in_1970_is_told_and_ends_the_worker_in_time_once_it_is_right() -> None:
    clock = WrongClock(-START)
    with capture_logs() as logs:
        drained, task = watched(clock, ends_at=START + 3600)
        await clock.advance(30)
    assert ["the clock is slow" in log["event"] for log in logs if log["log_level"] == "error"] == [True]
    assert drained == []

    clock.ahead_seconds = 0
    await clock.advance(3600)
    assert drained == [START + 3540]
    await task


async def test_a_worker_that_finds_itself_past_its_end_says_so_and_gives_the_clock_some_time() -> None:
    clock = WrongClock(86_400)
    with capture_logs() as logs:
        drained, task = watched(clock, ends_at=START + 3600)
        await clock.advance(CLOCK_SECONDS - 1)
    (said,) = [log for log in logs if log["log_level"] == "error"]
    assert "the clock is wrong" in said["event"]
    assert (said["now"], said["ends_at"]) == (START + 86_400, START + 3600)
    assert drained == []

    await clock.advance(1)
    assert drained == [START + 86_400 + CLOCK_SECONDS]
    await task


async def test_a_worker_whose_clock_was_set_right_soon_after_its_start_goes_on() -> None:
    clock = WrongClock(86_400)
    drained, task = watched(clock, ends_at=START + 3600)
    await clock.advance(10)

    clock.ahead_seconds = 0
    await clock.advance(3500)
    assert drained == []
    await clock.advance(100)
    assert drained == [START + 3540]
    await task


async def test_r4_a_worker_that_ends_in_time_ends_in_order() -> None:
    async with bench() as desk, asyncio.timeout(20):
        await desk.send("cat")
        await desk.worker(ends_at=desk.clock.now() + 1.5, drain_seconds=1).run()

        (result,) = await desk.replies_until(1)
        assert result.label == "cat"


def test_the_variable_of_the_end_wins_over_the_section_that_the_fleet_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURSTLENS_WORKER", WorkerOptions(prefetch=3, ends_at=0).model_dump_json())
    monkeypatch.setenv("BURSTLENS_WORKER__ENDS_AT", "1700000000")

    worker = Settings().worker

    assert (worker.ends_at, worker.prefetch) == (1_700_000_000.0, 3)

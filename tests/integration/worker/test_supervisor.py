"""The supervisor over stand-in workers, and over the real ones as `burstlens worker --processes 2` runs them."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from burstlens.clock import Clock, ManualClock, SystemClock
from burstlens.errors import Unavailable
from burstlens.worker.supervisor import Supervisor
from support.commands import Home
from support.eventually import eventually

pytestmark = pytest.mark.anyio


class Hasty(SystemClock):
    """A clock on which a pause is over at once; it remembers how long each should have been."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.offset_seconds = 0.0

    def now(self) -> float:
        return self.offset_seconds

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        await asyncio.sleep(0)
        return event.is_set()


class Aging(Hasty):
    """A clock on which every worker has lived for two minutes when it ends."""

    def now(self) -> float:
        self.offset_seconds += 120.0
        return self.offset_seconds


def supervisor(folder: Path, script: str, count: int = 1, clock: Clock | None = None) -> Supervisor:
    """Its workers run this shell script in the folder, each with its pid in the file that it is to write."""
    command = ("/bin/sh", "-c", f"cd '{folder}'; echo $$ >> started; {script}")
    return Supervisor(command, count, {"PATH": os.environ["PATH"]}, clock or SystemClock())


def started(folder: Path) -> list[int]:
    """The pids of all workers so far."""
    path = folder / "started"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


async def starts(folder: Path, count: int) -> list[int]:
    async def reached() -> bool:
        return len(started(folder)) >= count

    await eventually(reached)
    return started(folder)


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_workers_that_end_by_themselves_are_not_started_again(tmp_path: Path) -> None:
    await supervisor(tmp_path, "exit 0", count=3).run()
    assert len(started(tmp_path)) == 3


async def test_a_worker_that_keeps_dying_is_started_again_after_ever_longer_pauses(tmp_path: Path) -> None:
    clock = Hasty()
    await supervisor(tmp_path, 'test "$(wc -l < started)" -ge 8 || exit 3', clock=clock).run()

    assert len(started(tmp_path)) == 8
    assert clock.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


async def test_r3_workers_that_do_nothing_but_die_are_given_up_and_the_others_drained(tmp_path: Path) -> None:
    script = "mkdir steady 2>/dev/null && exec sleep 60; exit 3"
    with pytest.raises(Unavailable, match="died 8 times in a row"):
        await supervisor(tmp_path, script, count=2, clock=Hasty()).run()

    assert len(started(tmp_path)) == 9
    assert not any(lives(pid) for pid in started(tmp_path))


async def test_a_worker_that_had_lived_long_is_started_again_soon(tmp_path: Path) -> None:
    clock = Aging()
    await supervisor(tmp_path, 'test "$(wc -l < started)" -ge 4 || kill -9 $$', clock=clock).run()

    assert clock.pauses == [0.5, 0.5, 0.5]


async def test_one_that_dies_does_not_disturb_the_others(tmp_path: Path) -> None:
    watched = supervisor(tmp_path, "exec sleep 600", count=2, clock=Hasty())
    running = asyncio.create_task(watched.run())
    first, second = await starts(tmp_path, 2)

    os.kill(first, signal.SIGKILL)
    *_, third = await starts(tmp_path, 3)

    assert [lives(pid) for pid in (first, second, third)] == [False, True, True]
    watched.drain()
    await running
    assert not any(lives(pid) for pid in started(tmp_path))


async def test_r4_drain_lets_workers_finish_and_starts_none_again_whatever_they_end_with(tmp_path: Path) -> None:
    watched = supervisor(tmp_path, "trap 'echo finished >> log; exit 7' TERM; echo ready >> log; read line", count=2)
    running = asyncio.create_task(watched.run())

    async def ready() -> bool:
        return (tmp_path / "log").exists() and (tmp_path / "log").read_text().count("ready") == 2

    await eventually(ready)
    watched.drain()
    watched.drain()
    await running

    assert (tmp_path / "log").read_text().count("finished") == 2
    assert len(started(tmp_path)) == 2


async def test_drain_ends_a_pause(tmp_path: Path) -> None:
    watched = supervisor(tmp_path, "exit 3", clock=ManualClock())
    running = asyncio.create_task(watched.run())
    (pid,) = await starts(tmp_path, 1)

    async def has_ended() -> bool:
        return not lives(pid)

    await eventually(has_ended)
    watched.drain()
    await running

    assert started(tmp_path) == [pid]


async def test_cancelled_it_leaves_no_worker(tmp_path: Path) -> None:
    running = asyncio.create_task(supervisor(tmp_path, "trap '' TERM; read line", count=2).run())
    pids = await starts(tmp_path, 2)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    async def gone() -> bool:
        return not any(lives(pid) for pid in pids)

    await eventually(gone)


async def test_workers_have_the_environment_that_they_are_given_and_know_that_they_are_supervised(
    tmp_path: Path,
) -> None:
    await supervisor(tmp_path, "env > environment").run()
    assert "BURSTLENS_SUPERVISED=1" in (tmp_path / "environment").read_text().splitlines()


async def test_a_worker_process_that_is_killed_is_replaced_and_sigterm_ends_them_all(home: Home) -> None:
    worker = await home.start("worker", "--processes", "2")
    first = await home.works(2)
    assert worker.process.pid not in first
    victim, survivor = sorted(first)

    os.kill(victim, signal.SIGKILL)
    second = await home.works(2, without=victim)
    assert survivor in second

    done = await worker.end(signal.SIGTERM)
    assert done.code == 0
    assert home.processes() == set()


async def test_ctrl_c_at_a_terminal_reaches_the_whole_group_and_still_is_a_drain(home: Home) -> None:
    worker = await home.start("worker", "--processes", "2")
    children = await home.works(2)

    for pid in children:
        os.kill(pid, signal.SIGINT)
    done = await worker.end(signal.SIGINT)

    assert done.code == 0
    assert "Traceback" not in done.err
    assert home.processes() == set()


async def test_r3_worker_processes_end_by_themselves_when_their_supervisor_is_killed(home: Home) -> None:
    worker = await home.start("worker", "--processes", "2")
    await home.works(2)

    worker.process.kill()
    await worker.ended()

    await home.no_process_is_left()
    assert home.sockets() == []

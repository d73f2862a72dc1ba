"""SQLite queues between real processes that are killed at any instant."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.queues.base import Delivery, Depth, Message, QueueOptions
from burstlens.queues.sqlite.queues import SqliteQueue, SqliteQueues
from support.queue_processes import NAME, kill, running, start

pytestmark = pytest.mark.anyio

OPTIONS = QueueOptions(lease_seconds=0.4, max_attempts=1000)


@pytest.fixture
async def queues(tmp_path: Path) -> AsyncIterator[SqliteQueues]:
    # No wake-up is found by polling here: those that are lost make the test fail.
    queues = SqliteQueues(tmp_path, SystemClock(), poll_seconds=1000)
    yield queues
    await queues.close()


@pytest.fixture
async def queue(queues: SqliteQueues) -> SqliteQueue:
    return await queues.create(NAME, OPTIONS)


def database(folder: Path) -> Path:
    (path,) = (folder / NAME).glob("*.db")
    return path


def assert_intact(folder: Path) -> None:
    connection = sqlite3.connect(database(folder))
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        orphans = (
            "SELECT count(*) FROM bodies WHERE id NOT IN (SELECT id FROM messages UNION SELECT id FROM dead_letters)"
        )
        assert connection.execute(orphans).fetchone() == (0,)
        bodiless = "SELECT count(*) FROM messages WHERE id NOT IN (SELECT id FROM bodies)"
        assert connection.execute(bodiless).fetchone() == (0,)
    finally:
        connection.close()


async def read_all(process: subprocess.Popen[str]) -> list[str]:
    """What a process prints until it ends."""
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.read)).split()


async def until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == "ready\n"


async def until_done(queue: SqliteQueue) -> None:
    while True:
        if (await queue.depth()).total == 0:
            return
        await asyncio.sleep(0.05)


async def until_there_are(folder: Path, count: int) -> None:
    while True:
        if len(list(folder.iterdir())) == count:  # noqa: ASYNC240 - a handful of names
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("seed", [1, 2])
async def test_consumers_killed_at_random_lose_nothing(queue: SqliteQueue, tmp_path: Path, seed: int) -> None:
    print(f"seed {seed}")  # noqa: T201 - shown when it fails
    chance = random.Random(seed)
    done = tmp_path / "done"
    done.touch()
    producers = [start("produce", tmp_path, prefix, 400, 40_000) for prefix in "ab"]
    consumers = [start("consume", tmp_path, done) for _ in range(3)]
    kills = 0
    try:
        while kills < 10 or (await queue.depth()).total:
            victim = chance.randrange(len(consumers))
            await until_ready(consumers[victim])
            await asyncio.sleep(chance.uniform(0, 0.1))
            kill(consumers[victim])
            consumers[victim] = start("consume", tmp_path, done)
            kills += 1
        acknowledged = [name for process in producers for name in await read_all(process) if name != "ready"]
        await until_done(queue)
    finally:
        for process in producers + consumers:
            kill(process)
    expected = {f"{prefix}{number}" for prefix in "ab" for number in range(400)}
    print(f"{kills} kills, {len(done.read_text().split()) - len(expected)} done twice")  # noqa: T201 - shown when it fails
    assert set(acknowledged) == expected
    assert set(done.read_text().split()) == expected
    assert_intact(tmp_path)


async def receive_until_empty(queue: SqliteQueue) -> list[Delivery]:
    deliveries: list[Delivery] = []
    while batch := await queue.receive(100, wait_seconds=0):
        deliveries += batch
        await queue.delete(batch)
    return deliveries


async def test_what_was_acknowledged_survives_the_death_of_its_sender(queue: SqliteQueue, tmp_path: Path) -> None:
    chance = random.Random(3)
    for turn in range(6):
        process = start("produce", tmp_path, f"p{turn}-", 100_000, chance.choice([100, 30_000, 300_000]))
        assert process.stdout is not None
        acknowledged = [await asyncio.to_thread(process.stdout.readline) for _ in range(chance.randrange(2, 40))]
        acknowledged += kill(process).splitlines(keepends=True)
        names = {line.strip() for line in acknowledged if line.endswith("\n")} - {"ready"}
        assert names
        received = {delivery.body.split()[0] for delivery in await receive_until_empty(queue)}
        assert names <= received
    assert_intact(tmp_path)


async def test_a_waiting_receiver_is_woken_by_another_process(queue: SqliteQueue, tmp_path: Path) -> None:
    with running("reply", tmp_path) as process:
        assert process.stdin is not None
        delays_ms = []
        for number in range(30):
            task = asyncio.create_task(queue.receive(1, wait_seconds=30))
            await asyncio.sleep(0.01)
            process.stdin.write(f"{number}\n")
            process.stdin.flush()
            (delivery,) = await task  # without the wake-up: nothing, after 30 s
            delays_ms.append((time.time() - delivery.sent_at) * 1000)
            await queue.delete([delivery])
    print(f"wake-up after {sorted(delays_ms)[15]:.1f} ms, at most {max(delays_ms):.1f} ms")  # noqa: T201 - for people
    assert sorted(delays_ms)[15] < 1000


async def test_fifos_of_dead_processes_are_cleared_away(queue: SqliteQueue, tmp_path: Path) -> None:
    wake = tmp_path / NAME / "wake"
    for _ in range(3):
        process = start("listen", tmp_path)
        before = len(list(wake.iterdir()))
        await until_there_are(wake, before + 1)
        kill(process)
    assert len(list(wake.iterdir())) == 3
    task = asyncio.create_task(queue.receive(1, wait_seconds=30))
    await asyncio.sleep(0.05)
    await queue.send([Message("m")])
    assert [delivery.body for delivery in await task] == ["m"]
    assert len(list(wake.iterdir())) == 1


async def test_a_receiver_that_was_stopped_does_not_stop_senders(queue: SqliteQueue, tmp_path: Path) -> None:
    with running("listen", tmp_path) as process:
        await until_there_are(tmp_path / NAME / "wake", 1)
        await asyncio.sleep(0.1)  # let go of the queue's lock and wait, so that it is not stopped inside
        process.send_signal(signal.SIGSTOP)
        for _ in range(50):
            await queue.send([Message("m")])
        assert (await queue.depth()).total == 50


async def test_messages_outlive_the_process_that_sent_them(tmp_path: Path) -> None:
    for turn in range(2):
        queues = SqliteQueues(tmp_path, SystemClock())
        queue = await queues.create(NAME, OPTIONS)
        assert await queue.depth() == Depth(visible=turn)
        await queue.send([Message("m")])
        await queues.close()
        assert [path.name for path in (tmp_path / NAME / "wake").iterdir()] == []

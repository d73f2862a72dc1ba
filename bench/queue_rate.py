"""What a message costs on the SQLite queue: rate and CPU time, with one producer and two consumer processes.

Beside it, in the same run, the queue that one writes in an afternoon: one table, one transaction for each call, polled
every 10 ms. Not called ``queue.py``, since that would hide the module `queue` of the standard library from every
program in this folder.
"""

import asyncio
import contextlib
import dataclasses
import multiprocessing as mp
import os
import platform
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import uvloop

from burstlens.clock import SystemClock
from burstlens.queues.base import Message, QueueOptions
from burstlens.queues.sqlite.queues import SqliteQueues

NAME = "requests"
CONSUMERS = 2
POLL_SECONDS = 0.01
IDLE_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class Load:
    """What is sent, and how."""

    body_bytes: int
    count: int
    senders: int
    """Tasks of the producer that send at the same time."""
    limit: int
    """Messages in one receive."""

    @property
    def body(self) -> str:
        """As long as an image of `body_bytes` in base64."""
        return "x" * (self.body_bytes * 4 // 3)


@dataclasses.dataclass(frozen=True)
class Shared:
    """What the processes of one measurement have in common."""

    folder: Path
    ready: Any
    go: Any
    done: "Synchronized[int]"
    cpu: "Synchronized[float]"


Role = Callable[[Shared, Load], Coroutine[Any, Any, None]]


async def produce(shared: Shared, load: Load) -> None:
    queues = SqliteQueues(shared.folder, SystemClock())
    queue = await queues.open(NAME)
    numbers = iter(range(load.count))

    async def send() -> None:
        for _ in numbers:
            await queue.send([Message(load.body)])

    async with metered(shared):
        await asyncio.gather(*(send() for _ in range(load.senders)))
    await queues.close()


async def consume(shared: Shared, load: Load) -> None:
    queues = SqliteQueues(shared.folder, SystemClock())
    queue = await queues.open(NAME)
    async with metered(shared):
        while shared.done.value < load.count:
            deliveries = await queue.receive(load.limit, wait_seconds=0.1)
            await queue.delete(deliveries)
            count(shared, len(deliveries))
    await queues.close()


async def naive_produce(shared: Shared, load: Load) -> None:
    connection = naive_connection(shared.folder)
    async with metered(shared):
        for _ in range(load.count):
            connection.execute("INSERT INTO messages (visible_at, body) VALUES (?, ?)", (time.time(), load.body))
    connection.close()


async def naive_consume(shared: Shared, load: Load) -> None:
    connection = naive_connection(shared.folder)
    async with metered(shared):
        while shared.done.value < load.count:
            now = time.time()
            row = connection.execute(
                "UPDATE messages SET visible_at = ?, attempts = attempts + 1 WHERE id = "
                "(SELECT id FROM messages WHERE visible_at <= ? ORDER BY visible_at LIMIT 1) RETURNING id, body",
                (now + 30, now),
            ).fetchone()
            if row is None:
                await asyncio.sleep(POLL_SECONDS)
            else:
                connection.execute("DELETE FROM messages WHERE id = ?", row[:1])
                count(shared, 1)
    connection.close()


def naive_connection(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "naive.db", isolation_level=None, timeout=60)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS messages "
        "(id INTEGER PRIMARY KEY, visible_at REAL, attempts INTEGER DEFAULT 0, body TEXT)"
    )
    connection.execute("CREATE INDEX IF NOT EXISTS by_time ON messages (visible_at)")
    return connection


@contextlib.asynccontextmanager
async def metered(shared: Shared) -> AsyncIterator[None]:
    """Wait for the start signal, and add the CPU time, user and system, that this process takes from then on.

    The clock is read here, in the role itself: a role that never awaits would be over before any other task reads it.
    """
    shared.ready.release()
    await asyncio.to_thread(shared.go.wait)
    before = time.process_time()
    yield
    with shared.cpu.get_lock():
        shared.cpu.value += time.process_time() - before


def count(shared: Shared, messages: int) -> None:
    with shared.done.get_lock():
        shared.done.value += messages


def run_role(role: Role, shared: Shared, load: Load) -> None:
    uvloop.run(role(shared, load))


def measure(producer: Role, consumer: Role, load: Load) -> tuple[float, float]:
    """Messages a second, and CPU milliseconds for each message over all processes."""
    context = mp.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        shared = Shared(
            Path(folder), context.Semaphore(0), context.Event(), context.Value("i", 0), context.Value("d", 0.0)
        )
        asyncio.run(prepare(shared.folder))
        naive_connection(shared.folder).close()
        roles = [producer] + [consumer] * CONSUMERS
        processes = [context.Process(target=run_role, args=(role, shared, load)) for role in roles]
        for process in processes:
            process.start()
        for _ in processes:
            shared.ready.acquire()
        began = time.perf_counter()
        shared.go.set()
        while shared.done.value < load.count:
            time.sleep(0.002)
        seconds = time.perf_counter() - began
        for process in processes:
            process.join()
            assert process.exitcode == 0, "a process of this measurement failed"
        return load.count / seconds, shared.cpu.value * 1000 / load.count


async def prepare(folder: Path) -> None:
    queues = SqliteQueues(folder, SystemClock())
    await queues.create(NAME, QueueOptions())
    await queues.close()


async def idle_share() -> float:
    """The share of one core that a waiting receiver takes."""
    with tempfile.TemporaryDirectory() as folder:
        queues = SqliteQueues(Path(folder), SystemClock())
        queue = await queues.create(NAME, QueueOptions())
        await queue.receive(1, wait_seconds=0.1)
        before = time.process_time()
        await queue.receive(1, wait_seconds=IDLE_SECONDS)
        share = (time.process_time() - before) / IDLE_SECONDS
        await queues.close()
        return share


def machine() -> str:
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return (
        f"{os.cpu_count()} cores, {names[0] if names else platform.processor()}, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


def main() -> None:
    scale = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    print(machine())
    print(f"{'body':>8} {'senders':>8} {'limit':>6} {'msg/s':>8} {'CPU ms':>8} {'rate ratio':>11} {'CPU ratio':>10}")
    for body_bytes, messages in ((30_000, 3000), (100_000, 1500)):
        total = int(messages * scale)
        plain = measure(naive_produce, naive_consume, Load(body_bytes, total, 1, 1))
        print(
            f"{body_bytes // 1000:>5} KB {'plain baseline':>15} {plain[0]:>8.0f} {plain[1]:>8.3f} {1:>11.2f} {1:>10.2f}"
        )
        for senders, limit in ((1, 1), (32, 1), (32, 4)):
            rate, cpu = measure(produce, consume, Load(body_bytes, total, senders, limit))
            print(
                f"{body_bytes // 1000:>5} KB {senders:>8} {limit:>6} {rate:>8.0f} {cpu:>8.3f} "
                f"{rate / plain[0]:>11.2f} {cpu / plain[1]:>10.2f}"
            )
    print(f"a waiting receiver takes {uvloop.run(idle_share()):.2%} of a core")


if __name__ == "__main__":
    main()

"""Processes that use SQLite queues, to be killed by tests: ``python -m support.queue_processes ROLE FOLDER …``."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import uvloop

from burstlens.clock import SystemClock
from burstlens.queues.base import Message
from burstlens.queues.sqlite.queues import SqliteQueues

NAME = "requests"
TESTS = Path(__file__).parents[1]


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start a process; it ends when its standard input does, or when it is killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "support.queue_processes", *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def kill(process: subprocess.Popen[str]) -> str:
    """Kill it with signal 9, wait for its end, and return what it had printed and nobody read yet."""
    process.kill()
    printed, _ = process.communicate()
    return printed


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """A process that is ready, and is killed at the end."""
    process = start(*arguments)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        kill(process)


async def produce(folder: str, prefix: str, count: str, body_bytes: str) -> None:
    """Send messages, four at once, and print the name of each one when its sending was acknowledged."""
    queue = await SqliteQueues(Path(folder), SystemClock()).open(NAME)
    _say("ready")
    padding = "x" * int(body_bytes)

    async def send_every_fourth(first: int) -> None:
        for number in range(first, int(count), 4):
            await queue.send([Message(f"{prefix}{number} {padding}")])
            _say(f"{prefix}{number}")

    await asyncio.gather(*(send_every_fourth(first) for first in range(4)))


async def consume(folder: str, done: str) -> None:
    """Receive, write the names of the messages to a file, and only then delete them; for ever."""
    queue = await SqliteQueues(Path(folder), SystemClock()).open(NAME)
    _say("ready")
    while True:
        deliveries = await queue.receive(3, wait_seconds=5)
        for delivery in deliveries:
            await asyncio.sleep(0.002)
            _append(Path(done), f"{delivery.body.split()[0]}\n")
        await queue.delete(deliveries)


async def listen(folder: str) -> None:
    """Wait for a message that does not come."""
    queue = await SqliteQueues(Path(folder), SystemClock(), poll_seconds=1000).open(NAME)
    _say("ready")
    await queue.receive(1, wait_seconds=1000)


async def reply(folder: str) -> None:
    """Send one message for each line of standard input."""
    queue = await SqliteQueues(Path(folder), SystemClock()).open(NAME)
    _say("ready")
    while line := await asyncio.to_thread(sys.stdin.readline):
        await queue.send([Message(line.strip())])


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


ROLES: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
    "produce": produce,
    "consume": consume,
    "listen": listen,
    "reply": reply,
}

if __name__ == "__main__":
    uvloop.run(ROLES[sys.argv[1]](*sys.argv[2:]))

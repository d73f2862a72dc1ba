"""Queues for all processes of one machine, in SQLite files: what a deployment without a cloud runs on."""

import asyncio
import contextlib
import functools
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from burstlens.clock import Clock
from burstlens.errors import BurstlensError, NotFound, Unavailable
from burstlens.queues.base import DeadLetter, Delivery, Depth, Message, QueueOptions
from burstlens.queues.names import check_name
from burstlens.queues.sizes import MAX_MESSAGE_BYTES, check_sizes
from burstlens.queues.sqlite import dead_letters, operations
from burstlens.queues.sqlite.errors import translated
from burstlens.queues.sqlite.folder import QueueFolder
from burstlens.queues.sqlite.schema import Synchronous
from burstlens.queues.sqlite.store import Store
from burstlens.queues.sqlite.thread import QueueThread
from burstlens.queues.sqlite.wakeup import Listener

POLL_SECONDS = 1.0
"""A waiting receiver looks this often without being woken: a sender may have died between commit and ring."""
PATIENCE_SECONDS = 10.0
"""How long a call waits for a file that others hold before it raises `Unavailable`."""

T = TypeVar("T")


class SqliteQueue:
    """One queue. Processes may be killed at any instant: what was not committed did not happen."""

    def __init__(self, name: str, thread: QueueThread, clock: Clock, poll_seconds: float) -> None:
        self._name = name
        self._thread = thread
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._listener: Listener | None = None

    @property
    def name(self) -> str:
        """The name it was opened by."""
        return self._name

    @property
    def max_message_bytes(self) -> int:
        """The largest body, in UTF-8 bytes, that `send` accepts."""
        return MAX_MESSAGE_BYTES

    async def send(self, messages: Sequence[Message]) -> None:
        """Store all messages, in one transaction."""
        check_sizes(messages, MAX_MESSAGE_BYTES)
        await self._thread.submit(operations.Send(messages))

    async def receive(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Lease up to `limit` messages, waiting up to `wait_seconds` for the first."""
        deadline = self._clock.now() + wait_seconds
        if wait_seconds <= 0 or self._listener is None or not self._listener.active:
            lease = await self._lease(limit)
            if lease.deliveries or wait_seconds <= 0:
                return lease.deliveries
        listener = await self._listening()
        with listener.waiting() as rung:
            while True:
                # Clear, look, wait: whatever comes after the look rings, so no wake-up is lost.
                rung.clear()
                lease = await self._lease(limit)
                remaining_seconds = deadline - self._clock.now()
                if lease.deliveries or remaining_seconds <= 0:
                    return lease.deliveries
                await self._clock.wait(rung, self._patience_seconds(lease, remaining_seconds))

    async def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Make each lease end `seconds` from now, and return those that were already lost."""
        return (await self._thread.submit(operations.Extend(deliveries, seconds))).lost

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float = 0.0) -> None:
        """Give messages back untried, visible after `delay_seconds`, to where they were in the queue."""
        await self._thread.submit(operations.Release(deliveries, delay_seconds))

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages whose work is done."""
        await self._thread.submit(operations.Delete(deliveries))

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move messages to the dead letters."""
        await self._thread.submit(dead_letters.Bury(deliveries, reason))

    async def depth(self) -> Depth:
        """Count; exact at the moment of counting."""
        return (await self._thread.submit(operations.CountDepth())).depth

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters, without changing them."""
        return (await self._thread.submit(dead_letters.ReadDeadLetters(limit))).letters

    async def dead_letter_count(self) -> int:
        """How many dead letters there are."""
        return (await self._thread.submit(dead_letters.CountDeadLetters())).count

    async def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Put these dead letters (None: all) back into the queue with a fresh attempt count; return how many."""
        return (await self._thread.submit(dead_letters.Redrive(message_ids))).count

    async def purge_dead_letters(self, message_ids: Sequence[str] | None = None) -> int:
        """Delete these dead letters (None: all); return how many."""
        return (await self._thread.submit(dead_letters.Purge(message_ids))).count

    async def set_options(self, options: QueueOptions) -> None:
        """Change the options for every process."""
        await self._thread.submit(operations.SetOptions(options))

    async def close(self, reason: BurstlensError) -> None:
        """Release thread, connection and FIFO; later calls raise such an error as `reason`."""
        if self._listener is not None:
            self._listener.close()
        await self._thread.close(reason)

    async def _lease(self, limit: int) -> operations.Lease:
        job = self._thread.submit(operations.Lease(limit))
        try:
            return await asyncio.shield(job)
        except asyncio.CancelledError:
            job.add_done_callback(self._give_back)
            raise

    def _give_back(self, job: asyncio.Future[operations.Lease]) -> None:
        """Nobody waits for these any more: do not make others wait for the end of their leases."""
        if job.exception() is None and job.result().deliveries:
            with contextlib.suppress(BurstlensError):  # closed or removed meanwhile
                release = self._thread.submit(operations.Release(job.result().deliveries, delay_seconds=0.0))
                release.add_done_callback(asyncio.Future.exception)

    async def _listening(self) -> Listener:
        if self._listener is None:
            bell = (await self._thread.submit(operations.HangBell())).bell
            if self._listener is None:
                self._listener = Listener(bell)
        return self._listener

    def _patience_seconds(self, lease: operations.Lease, remaining_seconds: float) -> float:
        """How long to sleep: a lease that runs out or a delay that ends rings no bell."""
        patience_seconds = min(remaining_seconds, self._poll_seconds)
        if lease.next_due_at is not None:
            patience_seconds = min(patience_seconds, lease.next_due_at - self._clock.now())
        return patience_seconds


class SqliteQueues:
    """Queues by name, in one folder. An object serves one event loop; a folder any number of processes."""

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        synchronous: Synchronous = "normal",
        poll_seconds: float = POLL_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Name the folder; it is made when the first queue is created.

        `synchronous`: `normal` survives the death of every process, `full` also a power cut.
        """
        self._folder = QueueFolder(folder, patience_seconds)
        self._clock = clock
        self._synchronous = synchronous
        self._poll_seconds = poll_seconds
        self._patience_seconds = patience_seconds
        self._opening = asyncio.Lock()
        self._queues: dict[Path, SqliteQueue] = {}
        self._closed = False

    async def create(self, name: str, options: QueueOptions) -> SqliteQueue:
        """Open the queue, creating it when it does not exist."""
        path = await self._in_folder(name, functools.partial(self._folder.create, check_name(name), options))
        queue = await self._queue(name, path)
        await queue.set_options(options)
        return queue

    async def open(self, name: str) -> SqliteQueue:
        """Open an existing queue."""
        path = await self._in_folder(name, functools.partial(self._folder.find, check_name(name)))
        if path is None:
            message = f"there is no queue {name!r}"
            raise NotFound(message)
        return await self._queue(name, path)

    async def remove(self, name: str) -> None:
        """Delete the queue with all its messages."""
        await self._in_folder(name, functools.partial(self._folder.remove, check_name(name)))
        async with self._opening:
            await self._drop_removed()

    async def names(self, prefix: str = "") -> list[str]:
        """The names of all queues that begin with `prefix`, sorted."""
        return await self._in_folder(prefix, functools.partial(self._folder.names, prefix))

    async def close(self) -> None:
        """Release connections, files and threads; the queues stay."""
        self._closed = True
        async with self._opening:
            queues, self._queues = self._queues, {}
            await asyncio.gather(*(queue.close(_closed()) for queue in queues.values()))

    async def _queue(self, name: str, path: Path) -> SqliteQueue:
        """The one handle of this process for this file."""
        async with self._opening:
            if self._closed:
                raise _closed()
            await self._drop_removed()
            if path not in self._queues:
                open_store = functools.partial(Store, path, self._clock, self._synchronous, self._patience_seconds)
                thread = QueueThread(name, open_store)
                await thread.opened()
                self._queues[path] = SqliteQueue(name, thread, self._clock, self._poll_seconds)
            return self._queues[path]

    async def _drop_removed(self) -> None:
        """Close the handles of queues that are gone: a worker meets many response queues in its life."""
        for path in [path for path in self._queues if not path.exists()]:
            queue = self._queues.pop(path)
            await queue.close(NotFound(f"the queue {queue.name!r} was removed"))

    async def _in_folder(self, name: str, call: Callable[[], T]) -> T:
        if self._closed:
            raise _closed()
        try:
            return await asyncio.to_thread(call)
        except (OSError, sqlite3.Error) as error:
            raise translated(name, error) from error


def _closed() -> Unavailable:
    return Unavailable("this process has closed its queues")

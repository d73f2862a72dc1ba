"""The thread that does all blocking work for one open queue, and commits in groups."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from burstlens.errors import BurstlensError, Unavailable
from burstlens.queues.sqlite.store import Operation, Store

Op = TypeVar("Op", bound=Operation)


@dataclass(slots=True)
class _Job:
    operation: Operation
    done: asyncio.Future[Any]
    """Gets the operation itself, with its result inside."""


class QueueThread:
    """Runs operations on a store in the order in which they were submitted; those that wait together share a commit.

    A pool's thread would do the same at one and a half times the CPU time: 0.06 against 0.04 ms a call, on uvloop.
    """

    def __init__(self, name: str, open_store: Callable[[], Store]) -> None:
        """Start; must be called in the event loop in which the results are awaited."""
        self._loop = asyncio.get_running_loop()
        self._open_store = open_store
        self._pending: list[_Job] = []
        self._inbox: queue.SimpleQueue[list[_Job] | None] = queue.SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._closed_by: BurstlensError | None = None
        threading.Thread(target=self._work, name=f"queue {name}", daemon=True).start()

    async def opened(self) -> None:
        """Wait until the store is open; raises what kept it from opening, and then the thread has ended."""
        try:
            await asyncio.shield(self._opened)
        except asyncio.CancelledError:
            self._stop(Unavailable("the opening of the queue was cancelled"))
            raise

    def submit(self, operation: Op) -> asyncio.Future[Op]:
        """Have it run; all that is submitted in one turn of the event loop is run together.

        Cancelling the future does not stop the operation.
        """
        if self._closed_by is not None:
            # A new one each time: an error that is raised again and again collects tracebacks.
            raise type(self._closed_by)(*self._closed_by.args)
        done: asyncio.Future[Op] = self._loop.create_future()
        if not self._pending:
            self._loop.call_soon(self._hand_over)
        self._pending.append(_Job(operation, done))
        return done

    async def close(self, reason: BurstlensError) -> None:
        """Finish what was submitted, close the store and end; later calls raise such an error as `reason`."""
        self._stop(reason)
        await asyncio.shield(self._ended)

    def _stop(self, reason: BurstlensError) -> None:
        if self._closed_by is None:
            self._closed_by = reason
            self._hand_over()
            self._inbox.put(None)

    def _hand_over(self) -> None:
        if self._pending:
            self._inbox.put(self._pending)
            self._pending = []

    def _work(self) -> None:
        try:
            store = self._open_store()
        except Exception as error:  # noqa: BLE001 - whoever waits for the opening gets it
            self._tell(_fail, self._opened, error)
            self._tell(_succeed, self._ended)
            return
        self._tell(_succeed, self._opened)
        try:
            while (batch := self._next_batch()) is not None:
                self._tell(_deliver, batch, _run(store, [job.operation for job in batch]))
            store.close()
        finally:
            self._tell(_succeed, self._ended)

    def _next_batch(self) -> list[_Job] | None:
        """All that is waiting, at least one job; None at the end."""
        batch = self._inbox.get()
        if batch is None:
            return None
        with contextlib.suppress(queue.Empty):
            while (more := self._inbox.get_nowait()) is not None:
                batch += more
            self._inbox.put(None)
        return batch

    def _tell(self, callback: Callable[..., None], *values: object) -> None:
        # The loop may be gone without having closed this queue: then nobody waits for the answer either.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(callback, *values)


def _run(store: Store, operations: list[Operation]) -> Exception | None:
    try:
        store.run(operations)
    except Exception as error:  # noqa: BLE001 - every caller of this batch gets it
        return error
    return None


def _deliver(batch: list[_Job], error: Exception | None) -> None:
    for job in batch:
        if error is not None:
            _fail(job.done, error)
        elif not job.done.done():
            job.done.set_result(job.operation)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)

"""One open queue file, as its thread sees it: what runs in a transaction, and what around it."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from burstlens.clock import Clock
from burstlens.errors import NotFound, Unavailable
from burstlens.queues.sqlite.errors import translated
from burstlens.queues.sqlite.file_lock import FileLock
from burstlens.queues.sqlite.folder import LOCK, WAKE
from burstlens.queues.sqlite.schema import WAL_BYTES, Synchronous, open_file
from burstlens.queues.sqlite.wakeup import Bell, ring

_LONGEST_WAL_BYTES = 4 * WAL_BYTES
"""Readers that overlap for ever would keep the WAL from being used again; at this size they are waited for."""


HELD = "WHERE id = ? AND receipt = ?"
"""The message, as long as the receipt is not stale."""


class Operation(Protocol):
    """One call of the port, in the three steps in which the thread runs it."""

    rings: ClassVar[bool]
    """Whether receivers may have something to do after it."""

    def prepare(self, store: "Store") -> bool:
        """Read what can be read without the lock; return whether there is something to write."""

    def write(self, store: "Store") -> None:
        """Change the tables, in a transaction that is shared with other operations."""

    def finish(self, store: "Store") -> None:
        """Read what is needed after the commit."""


class Reading:
    """An operation that writes nothing."""

    rings: ClassVar[bool] = False

    def write(self, store: "Store") -> None:
        """Nothing to write."""

    def finish(self, store: "Store") -> None:
        """Nothing left to do."""


class Writing:
    """An operation that always writes."""

    rings: ClassVar[bool] = False

    def prepare(self, store: "Store") -> bool:
        """Say that there is something to write."""
        del store
        return True

    def finish(self, store: "Store") -> None:
        """Nothing left to do."""


class Store:
    """Connection, lock and bell of one process for one queue. All of it belongs to one thread.

    Every write and every checkpoint happens under the queue's lock, for three reasons: waiting for it costs less time
    than SQLite's own busy handler; a removed queue is never written to, since removal takes the lock as well; and
    SQLite before 3.51.3 can lose pages when a checkpoint meets a commit (sqlite.org/wal.html#walresetbug).
    """

    def __init__(self, path: Path, clock: Clock, synchronous: Synchronous, patience_seconds: float) -> None:
        """Open the file; raises an error of `burstlens.errors`."""
        self.clock = clock
        self._path = path
        self._wal_path = path.with_name(f"{path.name}-wal")
        self._wake_folder = path.parent / WAKE
        self._bell: Bell | None = None
        with self._translating(), contextlib.ExitStack() as undo:
            self._lock = FileLock(path.parent / LOCK, patience_seconds)
            undo.callback(self._lock.close)
            # Recovery after a crash happens at the first read, and it writes.
            with self._lock:
                self._connection = open_file(path, synchronous)
            undo.pop_all()

    @property
    def sql(self) -> sqlite3.Connection:
        """The connection, in autocommit mode outside of `write`."""
        return self._connection

    def run(self, operations: Sequence[Operation]) -> None:
        """Run all of them, with one transaction for those that write.

        Raises an error of `burstlens.errors`; then nothing, or all, of what they write was written.
        """
        with self._translating():
            self._check_present()
            writers = [operation for operation in operations if operation.prepare(self)]
            if writers:
                with self._transaction():
                    for operation in writers:
                        operation.write(self)
                if any(operation.rings for operation in writers):
                    ring(self._wake_folder)
            for operation in operations:
                operation.finish(self)

    def bell(self) -> Bell:
        """The FIFO by which other processes wake this one."""
        if self._bell is None:
            self._bell = Bell(self._wake_folder)
        return self._bell

    def close(self) -> None:
        """Close everything; SQLite's last connection empties the WAL, so this takes the lock if it can be had."""
        if self._bell is not None:
            self._bell.close()
        with contextlib.ExitStack() as held:
            with contextlib.suppress(Unavailable):
                held.enter_context(self._lock)
            self._connection.close()
        self._lock.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._check_present()
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            if self._wal_path.stat().st_size > _LONGEST_WAL_BYTES:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _check_present(self) -> None:
        if not self._path.exists():
            message = f"the queue {self._path.parent.name!r} was removed"
            raise NotFound(message)

    @contextlib.contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self._check_present()
            raise translated(self._path.parent.name, error) from error

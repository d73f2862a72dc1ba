"""The folder of all SQLite queues: one folder for each queue, made and removed as a whole by a rename.

``NAME/`` holds ``ID.db`` with its ``-wal`` and ``-shm``, ``lock`` and ``wake/``. The random ID gives each file a path
that is never used again: a process that still has a removed queue open deletes the ``-wal`` by path when it closes,
and must not meet that of a new queue of the same name.
"""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from burstlens.queues.base import QueueOptions
from burstlens.queues.sqlite.file_lock import FileLock
from burstlens.queues.sqlite.schema import make_file
from burstlens.queues.sqlite.wakeup import ring

LOCK = "lock"
"""Held for every write to the queue's file, every checkpoint, and its removal."""
WAKE = "wake"
_FOLDER_LOCK = ".lock"
_GARBAGE = ".garbage-"
"""Under this prefix a queue is made before, and unmade after, it is visible to others."""


class QueueFolder:
    """Finds, makes and removes the files of queues. Blocks; every call may raise `OSError` or `Unavailable`."""

    def __init__(self, folder: Path, patience_seconds: float) -> None:
        self._folder = folder
        self._patience_seconds = patience_seconds

    def find(self, name: str) -> Path | None:
        """The database of this queue, if there is one."""
        return next((self._folder / name).glob("*.db"), None)

    def create(self, name: str, options: QueueOptions) -> Path:
        """The database of this queue, made with these options if there was none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            path = self.find(name)
            return path if path is not None else self._make(name, options)

    def remove(self, name: str) -> None:
        """Take the queue away from everybody at once: no write to it begins after this, and none is half done."""
        if not self._folder.is_dir():
            return
        with self._alone():
            if self.find(name) is None:
                return
            garbage = self._garbage()
            lock = FileLock(self._folder / name / LOCK, self._patience_seconds)
            try:
                with lock:
                    (self._folder / name).rename(garbage)
            finally:
                lock.close()
            ring(garbage / WAKE)
            shutil.rmtree(garbage)

    def names(self, prefix: str) -> list[str]:
        """The names of all queues that begin with `prefix`, sorted."""
        if not self._folder.is_dir():
            return []
        return sorted(
            path.name for path in self._folder.iterdir() if path.name.startswith(prefix) and path.name[0] != "."
        )

    def _make(self, name: str, options: QueueOptions) -> Path:
        garbage = self._garbage()
        (garbage / WAKE).mkdir(parents=True)
        file_name = f"{secrets.token_hex(8)}.db"
        make_file(garbage / file_name, options)
        garbage.rename(self._folder / name)
        _sync(self._folder)
        return self._folder / name / file_name

    def _garbage(self) -> Path:
        return self._folder / f"{_GARBAGE}{secrets.token_hex(8)}"

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from making and removing, and clear away what those left who were killed meanwhile."""
        lock = FileLock(self._folder / _FOLDER_LOCK, self._patience_seconds)
        try:
            with lock:
                for path in self._folder.glob(f"{_GARBAGE}*"):
                    shutil.rmtree(path)
                yield
        finally:
            lock.close()


def _sync(folder: Path) -> None:
    """Make a rename in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

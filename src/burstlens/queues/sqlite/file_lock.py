"""A lock between processes that the kernel gives back when its holder dies."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from burstlens.errors import Unavailable

_FIRST_PAUSE_SECONDS = 0.0002
_LONGEST_PAUSE_SECONDS = 0.002


class FileLock:
    """An exclusive lock on a file (flock), used as a context manager by one thread.

    It asks again and again instead of blocking, so that a holder that was stopped cannot stop everybody for ever. The
    pauses are short against those of SQLite's own busy handler, which sleeps up to 100 ms at a time.
    """

    def __init__(self, path: Path, patience_seconds: float) -> None:
        """Open the file, making it when it is missing; its folder must exist."""
        self._path = path
        self._patience_seconds = patience_seconds
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> Self:
        """Wait for the lock.

        Raises:
            Unavailable: somebody else held it for all of `patience_seconds`.
        """
        # Not the injected clock: the other holders are real processes, whatever time it is in a test.
        give_up_at = time.perf_counter() + self._patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._try():
            if time.perf_counter() > give_up_at:
                message = f"another process has held {self._path} for more than {self._patience_seconds:g} s"
                raise Unavailable(message)
            time.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it back."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

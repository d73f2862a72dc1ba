"""Which autoscaler of this machine comes first: a lock on a file of the deployment's folder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from burstlens.errors import Misconfigured

_BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Another one after each start of the machine (proc(5))."""


class AutoscalerLock:
    """A lock that dies with its process, however that dies; its file stays for ever.

    Inside its `with` it is held. Whoever may also go on without it calls `seat` and, in the end, `close`.

    Raises:
        Misconfigured: on entering, when another process holds it (named); on each use, when its folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def seat(self) -> str:
        """What this lock is called by whoever holds it, the same for each of them in turn; empty while others hold it.

        Who wrote this name down and does not hold the lock any more is dead.
        """
        if not self._take() or self._descriptor is None:
            return ""
        file = os.fstat(self._descriptor)
        boot = _BOOT.read_text(encoding="ascii").strip() if _BOOT.exists() else ""
        return f"{boot}:{file.st_dev}:{file.st_ino}" if boot else ""

    def close(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        if not self._take():
            message = (
                f"another autoscaler already runs this fleet: process {self._holder()} holds {self._path}; "
                "stop it first"
            )
            raise Misconfigured(message)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _take(self) -> bool:
        """Whether this process holds the lock, now at the latest."""
        if self._descriptor is not None:
            return True
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{self._path} cannot be used: {error.strerror or error}"
            raise Misconfigured(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return True

    def _holder(self) -> str:
        return self._path.read_text(encoding="utf-8", errors="replace").strip() or "unknown"

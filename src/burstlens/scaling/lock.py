"""Never two autoscalers for one fleet: a lock on a file of the deployment's folder."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from burstlens.errors import Misconfigured


class AutoscalerLock:
    """Held while inside its `with`. The file stays for ever; the lock dies with its process, however that dies.

    Raises:
        Misconfigured: on entering, when another process holds it (named), or its folder cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"{self._path} cannot be used: {error.strerror or error}"
            raise Misconfigured(message) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            message = f"another autoscaler already runs this fleet: process {holder} holds {self._path}; stop it first"
            raise Misconfigured(message) from None
        except BaseException:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

"""Files of gigabytes on their way: read once, with a digest, and a word now and then of how far it is."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

CHUNK_BYTES = 1 << 20
_SAY_SECONDS = 5.0


class Progress:
    """Says how far something is, every few seconds."""

    def __init__(self, what: str, total: int, say: Callable[[str], None]) -> None:
        self._what = what
        self._total = total
        self._say = say
        self._done = 0
        self._next = time.monotonic() + _SAY_SECONDS

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        self._done += count
        if (now := time.monotonic()) >= self._next:
            self._next = now + _SAY_SECONDS
            self._say(f"  {self._what}: {self._done / 1e6:,.0f} of {self._total / 1e6:,.0f} MB")


class UploadedFile:
    """A file as requests reads it: its length is known beforehand, so that it is sent as it is, not in pieces."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.size = path.stat().st_size
        self._hash = hashlib.sha512()
        self._file = path.open("rb")
        self._progress = Progress("uploaded", self.size, say)

    @property
    def digest(self) -> str:
        """SHA-512 of what has been read, hex."""
        return self._hash.hexdigest()

    def __len__(self) -> int:
        return self.size

    def read(self, count: int = -1) -> bytes:
        """The next bytes, at least as many as are worth a call."""
        data = self._file.read(count if count < 0 else max(count, CHUNK_BYTES))
        self._hash.update(data)
        self._progress.add(len(data))
        return data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def digest_of(path: Path, algorithm: str) -> str:
    """Of a whole file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()

"""What a local instance writes: one file for each name, bounded when a new instance gets the name."""

import os
from dataclasses import dataclass
from pathlib import Path

_MAX_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = 4096
_MAX_LINE = 300


@dataclass(frozen=True, slots=True)
class InstanceLog:
    """The log of one name, shared by the instances that have it one after the other."""

    path: Path

    def begin(self) -> int:
        """Put a long log aside, over the one before; return where the next instance's part begins, in bytes."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size <= _MAX_BYTES:
            return size
        self.path.replace(self.path.with_suffix(".log.1"))
        return 0

    def last_line(self, offset: int) -> str:
        """The last line that is not blank of the part from `offset` on, shortened; empty if there is none."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(offset, size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        return next((line.strip()[:_MAX_LINE] for line in reversed(text.splitlines()) if line.strip()), "")

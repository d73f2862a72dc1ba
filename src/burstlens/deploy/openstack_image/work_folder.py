"""A folder for files of gigabytes, of which nothing stays, even when the process is killed: the next one removes it."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from burstlens.errors import Misconfigured

_PREFIX = "burstlens-image-"
_LOCK = "lock"


@contextlib.contextmanager
def work_folder(free_bytes: int) -> Iterator[Path]:
    """An empty folder in $TMPDIR, or where temporary files belong, gone after the block.

    Args:
        free_bytes: that have to be free there.

    Raises:
        Misconfigured: there is less.
    """
    parent = Path(tempfile.gettempdir())
    _remove_abandoned(parent)
    check_free(parent, free_bytes)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Held until the process has ended, however it does.
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
    finally:
        shutil.rmtree(folder)


def check_free(folder: Path, needed_bytes: int) -> None:
    """Raise `Misconfigured` unless so many bytes are free in the folder."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        message = f"{folder} has {free / 1e9:.1f} GB free, and {needed_bytes / 1e9:.1f} GB are needed"
        message += ": make room, or set TMPDIR to a folder that has it"
        raise Misconfigured(message)


def _remove_abandoned(parent: Path) -> None:
    """Remove what processes have left that were killed; what cannot be looked into is somebody else's."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)

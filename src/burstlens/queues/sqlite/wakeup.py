"""Waking receivers in other processes: each has a FIFO in the queue's wake folder, and whoever sends writes to all.

A FIFO appears in the folder only once its owner has it open, so one without a reader is a dead process's.
"""

import asyncio
import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_ENOUGH_BYTES = 65536


def ring(folder: Path) -> None:
    """Wake every receiver that listens in this folder; never blocks, and removes the FIFOs of dead processes.

    Whatever goes wrong here only delays a receiver until its next look at the queue.
    """
    try:
        names = os.listdir(folder)  # noqa: PTH208 - once per transaction, and only the names matter
    except OSError:
        return
    for name in names:
        if not name.startswith("."):
            _ring_one(folder / name)


def _ring_one(path: Path) -> None:
    try:
        fifo = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            path.unlink(missing_ok=True)
        return
    # A full FIFO has been rung already; a broken one belonged to a process that died just now.
    with contextlib.suppress(BlockingIOError, BrokenPipeError):
        os.write(fifo, b"!")
    os.close(fifo)


class Bell:
    """One process's own FIFO in a wake folder."""

    def __init__(self, folder: Path) -> None:
        """Make it; raises `OSError` when the folder is gone."""
        name = secrets.token_hex(8)
        hidden = folder / f".{name}"
        self._path = folder / name
        os.mkfifo(hidden, 0o600)
        # Open for writing too: a FIFO whose last writer has left would be readable for ever.
        self.file = os.open(hidden, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        hidden.rename(self._path)

    def close(self) -> None:
        """Remove it."""
        self._path.unlink(missing_ok=True)
        os.close(self.file)


class Listener:
    """Sets the events of all tasks that wait, in this event loop, when the bell rings.

    After the last task has left it goes on listening until the next ring: a receiver that waits again and again does
    not pay for starting, and one that has become too busy to wait is disturbed only once.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._loop = asyncio.get_running_loop()
        self._events: set[asyncio.Event] = set()
        self.active = False

    @contextlib.contextmanager
    def waiting(self) -> Iterator[asyncio.Event]:
        """An event that is set by every ring from now on."""
        event = asyncio.Event()
        self._events.add(event)
        if not self.active:
            self._empty()
            self._loop.add_reader(self._bell.file, self._on_ring)
            self.active = True
        try:
            yield event
        finally:
            self._events.discard(event)

    def close(self) -> None:
        """Stop listening and wake everybody; must come before the bell is closed."""
        if self.active:
            self._loop.remove_reader(self._bell.file)
            self.active = False
        for event in self._events:
            event.set()

    def _on_ring(self) -> None:
        self._empty()
        for event in self._events:
            event.set()
        if not self._events:
            self._loop.remove_reader(self._bell.file)
            self.active = False

    def _empty(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._bell.file, _ENOUGH_BYTES)

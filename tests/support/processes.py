"""Finding and ending the processes that belong to one data folder, and none other."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 50.0


def processes_of(folder: Path) -> list[int]:
    """Ids of all living processes that were told to keep their data in `folder`."""
    wanted = {f"BURSTLENS_DATA={folder}".encode(), f"--data={folder}".encode(), str(folder).encode()}
    everything = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in everything if wanted & _words(pid)]


def workers_of(folder: Path) -> list[int]:
    """Those of them that are workers of instances."""
    return [pid for pid in processes_of(folder) if b"worker" in _read(pid, "cmdline").split(b"\0")]


def kill(pid: int) -> None:
    """End a process as a power cut would."""
    os.kill(pid, signal.SIGKILL)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait until the condition holds; fail saying `what` did not happen."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, f"{what} did not happen within {PATIENCE_SECONDS:g} s"
        time.sleep(0.02)


def _words(pid: int) -> set[bytes]:
    return set(_read(pid, "environ").split(b"\0")) | set(_read(pid, "cmdline").split(b"\0"))


def _read(pid: int, name: str) -> bytes:
    """Empty for a process that has ended, a zombie included."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""

"""Processes that outlive the command that started them, by pid files; and commands that end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from burstlens.errors import Unavailable
from lab.openstack.layout import Lab

_STOP_SECONDS = 20.0
"""Nova's services are given 10 s to finish what they do."""
_LINES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Pid:
    """A process that cannot be mistaken for a later one with the same number.

    Attributes:
        number: of the process, and of its session.
        born: clock ticks after the machine's boot, field 22 of proc(5)'s stat.
    """

    number: int
    born: int

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return _born(self.number) == self.born

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there still is somebody to get it."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.number, number)

    def command_line(self) -> bytes:
        """Its words, each ended by a zero; empty once it is gone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return Path(f"/proc/{self.number}/cmdline").read_bytes()
        return b""

    def kill_session(self) -> None:
        """Kill it and what it started, which may have outlived it."""
        while members := list(self._session()):
            for number in members:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            time.sleep(0.02)

    def resident_bytes(self) -> int:
        """Memory of it and of what it started; 0 once it is gone."""
        return sum(_resident(number) for number in self._session())

    def _session(self) -> Iterator[int]:
        """What runs in its session. No later process can have its number while there is anything."""
        if _born(self.number) not in {None, self.born}:
            return
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(ProcessLookupError):
                if entry.name.isdecimal() and os.getsid(int(entry.name)) == self.number and _born(int(entry.name)):
                    yield int(entry.name)


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and what its environment has besides the lab's."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def pids(lab: Lab) -> dict[str, Pid]:
    """Every process that was started and not stopped, by name; it may have died."""
    found = {}
    for path in sorted(lab.run.glob("*.pid")):
        number, born = path.read_text().split()
        found[path.stem] = Pid(int(number), int(born))
    return found


def start(lab: Lab, name: str, command: Command) -> None:
    """Start a process in a session of its own, with its output appended to ``log/NAME.log``."""
    with (lab.log / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            list(command.words),
            env={**lab.environment, **command.environment},
            cwd=lab.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (lab.run / f"{name}.pid").write_text(f"{process.pid} {_born(process.pid) or 0}\n")


def stop(lab: Lab, names: Iterable[str]) -> None:
    """Ask processes to end, wait, kill what is left of them, and forget their pid files."""
    ending = {name: pid for name, pid in pids(lab).items() if name in set(names)}
    for pid in ending.values():
        pid.signal(signal.SIGTERM)
    until_gone(ending.values())
    for name, pid in ending.items():
        pid.kill_session()
        (lab.run / f"{name}.pid").unlink()


def until_gone(ending: Iterable[Pid]) -> None:
    """Wait for processes that were asked to end; those that take too long are killed with what they started."""
    waiting = list(ending)
    deadline = time.monotonic() + _STOP_SECONDS
    while any(pid.alive for pid in waiting):
        if time.monotonic() > deadline:
            for pid in waiting:
                pid.kill_session()
        time.sleep(0.1)


def call(lab: Lab, log: str, *words: str) -> None:
    """Run a command to its end, with its output in ``log/LOG.log``.

    Raises:
        Unavailable: it failed; the text has its last lines.
    """
    done = subprocess.run(words, env=dict(lab.environment), cwd=lab.folder, capture_output=True, text=True, check=False)
    with (lab.log / f"{log}.log").open("a") as kept:
        kept.write(f"$ {' '.join(words)}\n{done.stdout}{done.stderr}")
    if done.returncode:
        message = f"{log} ended with code {done.returncode}; {last_lines(lab, log)}"
        raise Unavailable(message)


def last_lines(lab: Lab, log: str) -> str:
    """How a log ends, for an error message."""
    path = lab.log / f"{log}.log"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return "\n".join([f"{path}:", *(f"  {line}" for line in lines[-_LINES_SHOWN:])])


def pid_of(number: int) -> Pid | None:
    """The process that has this number now."""
    born = _born(number)
    return None if born is None else Pid(number, born)


def _born(number: int) -> int | None:
    try:
        stat = Path(f"/proc/{number}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in brackets, may hold anything; the state comes next.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[18])


def _resident(number: int) -> int:
    try:
        pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

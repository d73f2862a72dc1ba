"""One process group on this machine: how it is started, known again, and signalled without ever hitting a stranger."""

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_RECORD_THEN_RUN = 'read -r stat < "/proc/$$/stat" && printf "%s\\n" "$stat" > "$0" && exec "$@"'
"""The child writes down who it is before it becomes the command, so that no process exists that nobody knows of."""
_LOWEST_FREE_DESCRIPTOR = 10
_DEFAULT_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ)
_DEAD_STATES = frozenset("ZXx")
_STATE_FIELD, _START_FIELD = 0, 19
"""Positions behind the command's name in /proc/PID/stat; see proc_pid_stat(5), fields 3 and 22."""


@dataclass(frozen=True, slots=True)
class Leader:
    """A process that leads a group of its own; pids are used again, a pid with its start time is not."""

    pid: int
    start_ticks: int
    """Since the machine started; proc_pid_stat(5), field 22."""

    @classmethod
    def parse(cls, stat: str) -> Self:
        """Read a line of /proc/PID/stat.

        Raises:
            ValueError: it is none, or not a whole one.
        """
        _, rest = _split(stat)
        return cls(pid=int(stat.split(" ", 1)[0]), start_ticks=int(rest[_START_FIELD]))

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Who has this pid now, a zombie included; None if nobody has."""
        stat = stat_of(pid)
        return cls.parse(stat) if stat is not None else None

    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        stat = stat_of(self.pid)
        return stat is not None and self.parse(stat) == self and _split(stat)[1][_STATE_FIELD] not in _DEAD_STATES

    def ask(self, signal_number: signal.Signals) -> None:
        """Signal this very process and no other, however soon its pid is used again."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if Leader.of(self.pid) == self:
                signal.pidfd_send_signal(descriptor, signal_number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)

    def kill_group(self) -> None:
        """Kill every process of the group.

        The kernel gives no pid away that still names a group, so only a pid that somebody else has by now is spared.
        """
        if Leader.of(self.pid) not in {self, None}:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def start(
    command: Sequence[str], environment: Mapping[str, str], *, identity: Path, log_descriptor: int, lock_descriptor: int
) -> int:
    """Start the command as the leader of a new session; return its pid, which the caller has to reap.

    Args:
        command: program and arguments.
        environment: all of its environment.
        identity: file that will hold its line of /proc/PID/stat.
        log_descriptor: becomes its standard output and error.
        lock_descriptor: is open in the command, too, so that its lock lasts as long as the command.

    Raises:
        OSError: this machine cannot start another process.
    """
    lock_there = max(lock_descriptor, log_descriptor, _LOWEST_FREE_DESCRIPTOR) + 1
    return os.posix_spawn(
        "/bin/sh",
        ["/bin/sh", "-c", _RECORD_THEN_RUN, str(identity), *command],
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_DUP2, lock_descriptor, lock_there),
            (os.POSIX_SPAWN_DUP2, log_descriptor, 1),
            (os.POSIX_SPAWN_DUP2, log_descriptor, 2),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=_DEFAULT_SIGNALS,
    )


def stat_of(pid: int) -> str | None:
    """The line of /proc/PID/stat of whoever has this pid now, a zombie included; None if nobody has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None


def _split(stat: str) -> tuple[str, list[str]]:
    """The part up to the command's name, which may hold anything, and the fields behind it."""
    head, bracket, rest = stat.rpartition(")")
    fields = rest.split()
    if not bracket or len(fields) <= _START_FIELD:
        message = "not a line of /proc/PID/stat"
        raise ValueError(message)
    return head, fields

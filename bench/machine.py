"""The machine that a figure was measured on, and the CPU time of its processes."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import onnxruntime  # type: ignore[import-untyped]  # the package ships no types

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Positions behind the command's name in /proc/PID/stat; see proc_pid_stat(5), fields 4, 14 and 15."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What a figure must be read with; taken before the load starts."""

    cpu: str
    cores: int
    system: str
    python: str
    onnxruntime: str
    load_average: float
    """Of the last minute: what others do on this machine."""

    @classmethod
    def here(cls) -> Self:
        """This machine, now."""
        return cls(
            cpu=_cpu(),
            cores=cores(),
            system=f"{platform.system()} {platform.release()}",
            python=platform.python_version(),
            onnxruntime=onnxruntime.__version__,
            load_average=os.getloadavg()[0],
        )

    def __str__(self) -> str:
        return (
            f"{self.cores} cores of {self.cpu}, {self.system}, Python {self.python}, "
            f"onnxruntime {self.onnxruntime}, load average before the start {self.load_average:.2f}"
        )


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def cpu_seconds(pid: int) -> float:
    """User and system time that all threads of the process have taken so far, in steps of 10 ms.

    Raises:
        FileNotFoundError: there is no such process.
    """
    fields = _stat(Path(f"/proc/{pid}/stat"))
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_SECOND


def busy_seconds() -> float:
    """CPU time that all processes of the machine, and its host's other guests, have taken so far from its cores.

    See proc_stat(5); guest time is part of user time there.
    """
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = (
        int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS_PER_SECOND


def children(pid: int) -> list[int]:
    """The processes that this one started itself and that still exist."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(_stat(path)[_PARENT])
        except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return found


def _stat(path: Path) -> list[str]:
    return path.read_text().rpartition(")")[2].split()


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()

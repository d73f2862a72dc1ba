"""What of systemd a lab's machine needs: a unit's commands, its environment, and what follows its end."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_POWER_OFF_AFTER_SUCCESS = """+/bin/sh -c '[ "$SERVICE_RESULT" != success ] || systemctl --no-block poweroff'"""
"""The one ``ExecStopPost`` that is understood here."""
_SPAN = re.compile(r"([0-9.]+) *(ms|s|sec|min|m)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "sec": 1.0, None: 1.0, "min": 60.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """A file of variables for what a unit runs; see systemd.exec(5)."""

    path: str
    may_be_missing: bool = False

    @classmethod
    def parse(cls, value: str) -> "EnvironmentFile":
        """Read the value of one ``EnvironmentFile=``, where a leading dash is leave to be missing."""
        return cls(value.removeprefix("-"), may_be_missing=value.startswith("-"))


@dataclass(frozen=True, slots=True)
class Unit:
    """A service, as its unit file says; see systemd.unit(5), systemd.service(5) and systemd.exec(5)."""

    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_files: tuple[EnvironmentFile, ...] = ()
    """What a later one says wins over an earlier one, and over `environment`."""
    restart: str = "no"
    """`no`, `on-failure` or `always`."""
    restart_seconds: float = 0.1
    stop_seconds: float = 90.0
    """From SIGTERM to SIGKILL when it is stopped. Without a value, systemd's own; see systemd-system.conf(5)."""
    start_limit: int = 5
    """After so many starts within `start_limit_seconds` it has failed for good."""
    start_limit_seconds: float = 10.0
    """0 is no limit."""
    powers_off_after_success: bool = False
    """Whether the machine is shut down once the service has ended well."""
    start_limit_action: str = "none"
    """`poweroff` shuts the machine down once the service has failed for good."""

    @classmethod
    def parse(cls, text: str) -> "Unit":
        """Read a unit file.

        Raises:
            ValueError: it does not hold exactly one ``ExecStart``, or an ``ExecStopPost`` that is not understood here.
        """
        values = _values(text)
        commands = values.get("ExecStart", [])
        if len(commands) != 1:
            message = f"a service needs one ExecStart, not {len(commands)}"
            raise ValueError(message)

        after = values.get("ExecStopPost", [])
        if after not in ([], [_POWER_OFF_AFTER_SUCCESS]):
            message = f"no ExecStopPost that is understood here: {after}"
            raise ValueError(message)

        def last(name: str, default: str) -> str:
            return values.get(name, [default])[-1]

        words = [word for line in values.get("Environment", []) for word in shlex.split(line)]
        return cls(
            command=tuple(shlex.split(commands[0])),
            environment=_assignments(words),
            environment_files=tuple(map(EnvironmentFile.parse, values.get("EnvironmentFile", []))),
            restart=last("Restart", "no"),
            restart_seconds=_seconds(last("RestartSec", "100ms")),
            stop_seconds=_seconds(last("TimeoutStopSec", "90s")),
            start_limit=int(last("StartLimitBurst", "5")),
            start_limit_seconds=_seconds(last("StartLimitIntervalSec", "10s")),
            powers_off_after_success=bool(after),
            start_limit_action=last("StartLimitAction", "none"),
        )

    def starts_again(self, code: int) -> bool:
        """Whether it is started again after it ended with this exit code."""
        return self.restart == "always" or (self.restart == "on-failure" and code != 0)

    def has_failed(self, starts: Sequence[float]) -> bool:
        """Whether these starts, in seconds of any clock, the youngest last, are too many to start it again."""
        young = [start for start in starts if starts[-1] - start < self.start_limit_seconds]
        return len(young) >= self.start_limit


def environment_of(text: str) -> dict[str, str]:
    """The variables of an ``EnvironmentFile``."""
    return _assignments(shlex.split(text, comments=True))


def _values(text: str) -> dict[str, list[str]]:
    """Every value of every name, whatever its section: the names read here each belong to one section only."""
    found: dict[str, list[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", ";", "[")):
            found.setdefault(name.strip(), []).append(value.strip())
    return found


def _assignments(words: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _seconds(text: str) -> float:
    span = _SPAN.fullmatch(text)
    if span is None:
        message = f"no span of time that is understood here: {text!r}"
        raise ValueError(message)
    return float(span[1]) * _SECONDS[span[2]]

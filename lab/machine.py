"""One machine of the lab: a folder in place of its disk, and processes that are all it runs."""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from burstlens.clouds.user_data import HEADER
from burstlens.deploy.image.units import read_unit
from lab.systemd import Unit, environment_of

PROGRAM = "/opt/burstlens/bin/burstlens"
"""Where the image has the command."""

_OWN_FOLDERS = ("/etc/", "/var/lib/", "/var/cache/")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Service:
    name: str
    unit: Unit
    command: Sequence[str]
    environment: Mapping[str, str]


class Machine:
    """A machine that has never run. Its services see this Python as the program of the image, and their own paths.

    Args:
        name: for the log.
        disk: the folder that stands for ``/etc``, ``/var/lib`` and ``/var/cache``; made when missing.
        cache: the cache of models, which all machines share, so that they start quickly.
    """

    def __init__(self, name: str, disk: Path, cache: Path) -> None:
        self._name = name
        self._disk = disk
        self._home = disk / "var" / "lib" / "burstlens"
        self._temporary = disk / "tmp"
        self._cache = cache
        self.shutting_down = asyncio.Event()
        """Set, as by ACPI's power button, it has every service stop, and then `run` return."""

    async def run(self, user_data: str, network: Mapping[str, str]) -> None:
        """Do what the user data says; return once the machine is off. Cancelling cuts the power.

        Args:
            user_data: as cloud-init gets it.
            network: variables that stand for what the machine's network is, such as where its metadata is.

        Raises:
            ValueError: the user data, or a unit that it starts, is not understood here.
            FileNotFoundError: the image has no such unit, or the unit's environment was not written.
        """
        services = self._installed(user_data, network)
        async with asyncio.TaskGroup() as tasks:
            for service in services:
                tasks.create_task(self._serve(service))
            await self.shutting_down.wait()
        _log.info("powered off", machine=self._name)

    def _installed(self, user_data: str, network: Mapping[str, str]) -> list[_Service]:
        """What this machine is to run, once the files that belong to it are written."""
        config = _cloud_config(user_data)
        for file in config.get("write_files", []):
            path = self._here(file["path"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file["content"], encoding="utf-8")
            path.chmod(int(file.get("permissions", "0644"), 8))
        self._home.mkdir(parents=True, exist_ok=True)
        self._temporary.mkdir(exist_ok=True)
        return [self._service(name, network) for command in config.get("runcmd", []) for name in _started_by(command)]

    def _service(self, name: str, network: Mapping[str, str]) -> _Service:
        """What the unit and its files say, in this machine's own paths, and what every machine has."""
        unit = Unit.parse(read_unit(name))
        said = dict(unit.environment)
        for file in unit.environment_files:
            path = self._here(file.path)
            if path.exists() or not file.may_be_missing:
                said |= environment_of(path.read_text(encoding="utf-8"))
        mapped = {name: str(self._here(value)) for name, value in said.items() if value.startswith(_OWN_FOLDERS)}
        given = {"PATH": os.defpath, "HOME": str(self._home), "TMPDIR": str(self._temporary)}
        shared = {"BURSTLENS_CACHE": str(self._cache)}
        return _Service(name, unit, _command(unit.command), {**given, **network, **said, **mapped, **shared})

    async def _serve(self, service: _Service) -> None:
        """Keep one service as its unit says, until the machine shuts down."""
        unit, starts, code = service.unit, [], 0
        while not self.shutting_down.is_set():
            starts.append(time.monotonic())
            code = await self._run_once(service)
            _log.info("a service ended", machine=self._name, unit=service.name, code=code)
            if not unit.starts_again(code) or unit.has_failed(starts):
                break
            await self._off_within(unit.restart_seconds)
        powers_off = unit.start_limit_action.startswith("poweroff") if code else unit.powers_off_after_success
        if powers_off:
            self.shutting_down.set()

    async def _run_once(self, service: _Service) -> int:
        with (self._disk / f"{service.name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *service.command,
                cwd=self._home,
                env=service.environment,
                stdin=DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        stopping = asyncio.create_task(self._stop(process, service.unit))
        try:
            return await process.wait()
        finally:
            stopping.cancel()
            await _cut_off(process)

    async def _stop(self, process: Process, unit: Unit) -> None:
        """Stop the process when the machine shuts down: by SIGTERM to it alone, as the units' ``KillMode=mixed`` is."""
        await self.shutting_down.wait()
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
            await asyncio.sleep(unit.stop_seconds)
            process.kill()

    async def _off_within(self, seconds: float) -> None:
        """Return after so long, or as soon as the machine shuts down."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.shutting_down.wait()

    def _here(self, path: str) -> Path:
        """A path of the machine in its folder.

        Raises:
            ValueError: the machine of the lab has no such folder.
        """
        if not path.startswith(_OWN_FOLDERS) or ".." in path.split("/"):
            message = f"a machine of the lab has none of {path}; it has {', '.join(_OWN_FOLDERS)}"
            raise ValueError(message)
        return self._disk / path.lstrip("/")


def _cloud_config(user_data: str) -> dict[str, list[Any]]:
    """The cloud-config, whose body is JSON; nothing at all is a machine that does nothing."""
    if not user_data:
        return {}
    header, _, body = user_data.partition("\n")
    if header.strip() != HEADER:
        message = f"user data must begin with {HEADER}, not {header[:40]!r}"
        raise ValueError(message)
    config: dict[str, list[Any]] = json.loads(body)
    return config


def _started_by(command: Sequence[str] | str) -> list[str]:
    """The units that a command of ``runcmd`` starts."""
    words = shlex.split(command) if isinstance(command, str) else list(command)
    options = {word for word in words if word.startswith("-")}
    verb = [word for word in words if word not in options][:2]
    if verb != ["systemctl", "start"] and (verb != ["systemctl", "enable"] or "--now" not in options):
        message = f"a machine of the lab only knows `systemctl start` and `enable --now`, not {shlex.join(words)}"
        raise ValueError(message)
    return [word for word in words if word not in options][2:]


def _command(words: Sequence[str]) -> list[str]:
    if words[0] != PROGRAM:
        message = f"a machine of the lab has no {words[0]}; its image has {PROGRAM}"
        raise ValueError(message)
    return [sys.executable, "-m", "burstlens", *words[1:]]


async def _cut_off(process: Process) -> None:
    """Kill what is left of the process and its children, and see its end."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    await process.wait()

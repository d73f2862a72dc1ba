"""What both clouds' stand-ins for a hypervisor share: machines that follow what the cloud's control plane says."""

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from burstlens.errors import BurstlensError, Throttled, Unavailable
from lab.machine import Machine

LOOK_SECONDS = 0.3
"""Between two looks at what there is; each takes 40 ms of moto's time, or 60 of nova's, when there are 19 instances."""
BOOT_SECONDS = 0.5

Told = TypeVar("Told")
"""What the control plane tells of one instance."""
_Answer = TypeVar("_Answer")

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Powered:
    """An instance that has power, or had it until a moment ago."""

    machine: Machine
    life: asyncio.Task[None]
    stopped: bool = False
    """Whether the control plane has had it shut down."""


class Hypervisor(abc.ABC, Generic[Told]):
    """Runs the instances of one cloud, each as a machine of its own.

    Args:
        folder: holds each machine's disk; made when missing.
        cache: models, shared by all machines.
        boot_seconds: from an instance's birth to its first process.
    """

    def __init__(self, folder: Path, cache: Path, boot_seconds: float = BOOT_SECONDS) -> None:
        self._folder = folder
        self._cache = cache
        self._boot_seconds = boot_seconds
        self._powered: dict[str, _Powered] = {}

    @abc.abstractmethod
    async def _listed(self) -> Mapping[str, Told]:
        """Every instance that is to have power, by its id. May raise any `BurstlensError`: then all stays as it is."""

    @abc.abstractmethod
    def _furnished(
        self, instance_id: str, told: Told, disk: Path
    ) -> contextlib.AbstractAsyncContextManager[Mapping[str, str]]:
        """Give the machine what it finds at its boot beside its user data, for as long as it lives.

        The value are variables that stand for what its network is.
        """

    @abc.abstractmethod
    async def _user_data(self, instance_id: str, told: Told) -> str: ...

    @abc.abstractmethod
    async def _ends_in_order(self, instance_id: str) -> bool:
        """Whether an instance that is to lose its power is told before, so that it shuts down. May raise as above."""

    @abc.abstractmethod
    async def _powered_off(self, instance_id: str) -> None:
        """Tell the control plane that the instance powered itself off."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run while the block runs; afterwards no machine does."""
        task = asyncio.create_task(self.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        """Look, start and stop until cancelled; then every machine's power is cut."""
        async with asyncio.TaskGroup() as lives:
            while True:
                try:
                    await self._follow(await self._listed(), lives)
                except BurstlensError as error:
                    _log.warning("the cloud does not say what there is, so all stays as it is", error=str(error))
                await asyncio.sleep(LOOK_SECONDS)

    async def _follow(self, there: Mapping[str, Told], lives: asyncio.TaskGroup) -> None:
        """Make what runs here what the control plane says there is."""
        for instance_id, powered in list(self._powered.items()):
            if powered.life.done() and (powered.stopped or instance_id not in there):
                del self._powered[instance_id]
            elif instance_id not in there and not powered.machine.shutting_down.is_set():
                await self._end(instance_id, powered)
        for instance_id in there.keys() - self._powered.keys():
            disk = self._folder / instance_id
            machine = Machine(instance_id, disk, self._cache)
            life = lives.create_task(self._live(instance_id, there[instance_id], machine, disk))
            self._powered[instance_id] = _Powered(machine, life)

    async def _end(self, instance_id: str, powered: _Powered) -> None:
        if await self._ends_in_order(instance_id):
            powered.stopped = True
            powered.machine.shutting_down.set()
        else:
            del self._powered[instance_id]
            powered.life.cancel()
            await asyncio.wait([powered.life])

    async def _live(self, instance_id: str, told: Told, machine: Machine, disk: Path) -> None:
        """One machine from its birth until it is off, or cut off."""
        async with self._furnished(instance_id, told, disk) as network:
            await asyncio.sleep(self._boot_seconds)
            try:
                await machine.run(await self._user_data(instance_id, told), network)
            except (ValueError, FileNotFoundError) as error:
                _log.error("the machine does nothing", instance=instance_id, error=str(error))
                await machine.shutting_down.wait()
        if not self._powered[instance_id].stopped:
            await self._powered_off(instance_id)


async def insisted(call: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Call until the cloud answers: a machine does not end because its cloud was slow."""
    while True:
        try:
            return await call()
        except (Throttled, Unavailable) as error:
            _log.warning("the cloud does not answer, trying again", error=str(error))
            await asyncio.sleep(LOOK_SECONDS)

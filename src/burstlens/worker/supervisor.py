"""The workers of one instance: one process for each core, each restarted when it dies."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence

import structlog

from burstlens.clock import Clock

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A worker that lived this long starts again without a pause."""

SUPERVISED = "BURSTLENS_SUPERVISED"
"""Set in a worker's environment: it drains when its standard input closes, as it does when the supervisor dies."""

_log = structlog.get_logger(__name__)


class Supervisor:
    """Keeps `count` worker processes running until they are drained or end by themselves."""

    def __init__(self, command: Sequence[str], count: int, environment: Mapping[str, str], clock: Clock) -> None:
        self._command = command
        self._count = count
        self._environment = {**environment, SUPERVISED: "1"}
        self._clock = clock
        self._draining = asyncio.Event()
        self._children: set[Process] = set()

    def drain(self) -> None:
        """Drain every worker; `run` returns when the last has ended."""
        self._draining.set()
        for child in self._children:
            if child.returncode is None:
                child.terminate()

    async def run(self) -> None:
        """Run the workers until each has ended with exit code 0 or was drained."""
        await asyncio.gather(*(self._keep(number) for number in range(self._count)))

    async def _keep(self, number: int) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not self._draining.is_set():
            started_at = self._clock.now()
            code = await self._run_once()
            if code == 0 or self._draining.is_set():
                return
            if self._clock.now() - started_at > _STEADY_SECONDS:
                pause_seconds = _FIRST_PAUSE_SECONDS
            _log.error("worker process died, starting it again", number=number, code=code, pause_seconds=pause_seconds)
            await self._clock.wait(self._draining, pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    async def _run_once(self) -> int:
        child = await asyncio.create_subprocess_exec(*self._command, stdin=PIPE, env=self._environment)
        self._children.add(child)
        try:
            if self._draining.is_set():
                child.terminate()
            return await child.wait()
        finally:
            self._children.discard(child)
            if child.returncode is None:
                child.kill()

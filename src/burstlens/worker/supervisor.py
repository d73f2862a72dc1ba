"""The workers of one instance: one process for each core, each restarted when it dies."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence

import structlog

from burstlens.clock import Clock
from burstlens.errors import Unavailable

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A worker that lived this long starts again without a pause."""
_HOPELESS_DEATHS = 8
"""In a row, each before it was steady: a minute of pauses. One image that kills workers is dead by then."""

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
        self._hopeless = False
        self._children: set[Process] = set()

    def drain(self) -> None:
        """Drain every worker; `run` returns when the last has ended."""
        self._draining.set()
        for child in self._children:
            if child.returncode is None:
                child.terminate()

    async def run(self) -> None:
        """Run the workers until each has ended with exit code 0 or was drained.

        Raises:
            Unavailable: workers do nothing but die; all are drained. Whoever runs the supervisor decides what then: a
                machine whose only purpose this is tries again a few times and powers off (`burstlens.deploy.image`).
        """
        await asyncio.gather(*(self._keep(number) for number in range(self._count)))
        if self._hopeless:
            message = f"worker processes died {_HOPELESS_DEATHS} times in a row soon after their start"
            raise Unavailable(message)

    async def _keep(self, number: int) -> None:
        pause_seconds, deaths = _FIRST_PAUSE_SECONDS, 0
        while not self._draining.is_set():
            started_at = self._clock.now()
            code = await self._run_once()
            if code == 0 or self._draining.is_set():
                return
            if self._clock.now() - started_at > _STEADY_SECONDS:
                pause_seconds, deaths = _FIRST_PAUSE_SECONDS, 0
            deaths += 1
            if deaths == _HOPELESS_DEATHS:
                _log.error("worker process dies again and again, giving up", number=number, code=code)
                self._hopeless = True
                self.drain()
                return
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

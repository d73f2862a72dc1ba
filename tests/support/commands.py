"""The commands as a user starts them: processes of their own, in a folder of their own."""

import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burstlens.messages import Heartbeat
from support.eventually import eventually

SLOW_MACHINE_SECONDS = 40.0
"""How long anything may take before it counts as never."""

COMMAND = (sys.executable, "-m", "burstlens")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Running:
    """A command that runs; what it writes goes to files, so that it never waits for its reader."""

    process: asyncio.subprocess.Process
    out: Path
    err: Path

    async def url(self) -> str:
        """Where it serves, once it says so."""
        ready = "burstlens is ready on "

        async def said_or_ended() -> bool:
            return ready in self.out.read_text() or self.process.returncode is not None

        await eventually(said_or_ended, SLOW_MACHINE_SECONDS)
        assert ready in self.out.read_text(), self.err.read_text()
        return self.out.read_text().partition(ready)[2].strip()

    def log(self, event: str) -> list[dict[str, Any]]:
        """The whole log lines of this event so far."""
        lines = [json.loads(line) for line in self.err.read_text().splitlines(keepends=True) if line.endswith("}\n")]
        return [line for line in lines if line["event"] == event]

    async def logged(self, event: str) -> dict[str, Any]:
        """The first log line of this event, once there is one."""

        async def there() -> bool:
            return bool(self.log(event))

        await eventually(there, SLOW_MACHINE_SECONDS)
        return self.log(event)[0]

    async def end(self, number: signal.Signals) -> Done:
        """Signal it, and wait for its end."""
        self.process.send_signal(number)
        return await self.ended()

    async def ended(self) -> Done:
        async with asyncio.timeout(SLOW_MACHINE_SECONDS):
            code = await self.process.wait()
        return Done(code, self.out.read_text(), self.err.read_text())


@dataclass
class Home:
    """A folder that commands run in, and every process that came of them."""

    folder: Path
    cache: Path
    running: list[Running] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "burstlens-data"

    @property
    def temporary(self) -> Path:
        """Everything that is started here inherits this as $TMPDIR: the mark to know it by."""
        return self.folder / "tmp"

    async def start(self, *arguments: object, **environment: str) -> Running:
        return await self._start(*COMMAND, *map(str, arguments), **environment)

    async def _start(self, *command: str, **environment: str) -> Running:
        self.temporary.mkdir(exist_ok=True)
        number = len(self.running)
        out, err = self.folder / f"out-{number}", self.folder / f"err-{number}"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = await asyncio.create_subprocess_exec(
                *command,
                cwd=self.folder,
                env=self._environment() | environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
            )
        self.running.append(Running(process, out, err))
        return self.running[-1]

    async def run(self, *arguments: object, **environment: str) -> Done:
        return await (await self.start(*arguments, **environment)).ended()

    async def shell(self, line: str) -> Done:
        """Run a line as a person would type it."""
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return await (await self._start("sh", "-c", line, PATH=path)).ended()

    def _environment(self) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith("BURSTLENS_")}
        return plain | {"BURSTLENS_CACHE": str(self.cache), "TMPDIR": str(self.temporary), "COLUMNS": "200"}

    def processes(self) -> set[int]:
        """Every living process that was started here, at first or any other hand."""
        return {int(path.name) for path in Path("/proc").glob("[0-9]*") if self._owns(path)}

    def _owns(self, process: Path) -> bool:
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            alive = (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
        return alive and f"TMPDIR={self.temporary}".encode() in environment

    async def no_process_is_left(self) -> None:
        async def none() -> bool:
            return not self.processes()

        await eventually(none, SLOW_MACHINE_SECONDS)

    def sockets(self) -> list[Path]:
        """Sockets and FIFOs that lie in the folder."""
        modes = ((path, path.lstat().st_mode) for path in self.folder.rglob("*"))
        return [path for path, mode in modes if stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode)]

    def workers(self) -> dict[int, Heartbeat]:
        """The last heartbeat of every worker process, by its pid."""
        beats = [
            Heartbeat.model_validate_json(path.read_bytes())
            for path in (self.data / "buckets" / "fleet" / "heartbeats").glob("*.json")
        ]
        return {int(beat.worker.rpartition("-")[2]): beat for beat in beats}

    async def works(self, count: int, *, without: int = 0) -> set[int]:
        """The pids of `count` living workers that have said so, none of them `without`; waits until there are."""

        def beating() -> set[int]:
            return (self.workers().keys() & self.processes()) - {without}

        async def enough() -> bool:
            return len(beating()) == count

        await eventually(enough, SLOW_MACHINE_SECONDS)
        return beating()


@asynccontextmanager
async def home_in(folder: Path, cache: Path) -> AsyncIterator[Home]:
    """A home; whatever still runs at its end is killed."""
    home = Home(folder, cache)
    try:
        yield home
    finally:
        for pid in home.processes():
            os.kill(pid, signal.SIGKILL)
        for running in home.running:
            await running.process.wait()
        await home.no_process_is_left()

"""The queue adapters that the contract tests run against, and what each of them can do."""

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burstlens.clock import ManualClock
from burstlens.queues.base import Queues
from burstlens.queues.memory import MemoryQueues
from burstlens.queues.sqlite.queues import SqliteQueues


@dataclass(frozen=True, slots=True)
class Opened:
    """A backend that runs. `queues` and `others` see the same queues, as two processes would."""

    queues: Queues
    others: Queues
    pass_time: Callable[[float], Coroutine[Any, Any, None]]
    """Let this many seconds go by on the backend's clock."""


@dataclass(frozen=True, slots=True)
class QueueBackend:
    """One adapter, or one adapter on one event loop."""

    name: str
    open: Callable[[Path], contextlib.AbstractAsyncContextManager[Opened]]
    release_refunds_attempt: bool = True
    """Whether `release` gives the attempt back."""
    exact_depth: bool = True
    """Whether `depth` counts what is there at this moment."""
    manual_time: bool = True
    """Whether the tests decide what time it is."""
    uvloop: bool = False


@contextlib.asynccontextmanager
async def _memory(folder: Path) -> AsyncIterator[Opened]:
    del folder
    clock = ManualClock()
    queues = MemoryQueues(clock)
    yield Opened(queues, queues, clock.advance)
    await queues.close()


@contextlib.asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Opened]:
    clock = ManualClock()
    queues, others = (SqliteQueues(folder / "queues", clock) for _ in range(2))
    try:
        yield Opened(queues, others, clock.advance)
    finally:
        await queues.close()
        await others.close()


BACKENDS = [
    QueueBackend("memory", _memory),
    QueueBackend("sqlite", _sqlite),
    QueueBackend("sqlite-uvloop", _sqlite, uvloop=True),
]

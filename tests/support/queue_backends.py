"""The queue adapters that the contract tests run against, and what each of them can do."""

import contextlib
import functools
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from burstlens.aws.options import AwsOptions
from burstlens.aws.session import AwsSession
from burstlens.clock import Clock, ManualClock, SystemClock
from burstlens.queues.base import Queues
from burstlens.queues.memory import MemoryQueues
from burstlens.queues.sqlite.queues import SqliteQueues
from burstlens.queues.sqs.queues import SqsQueues
from support.aws_doubles import REGION, Doubles


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
    open: Callable[[Path, Doubles], contextlib.AbstractAsyncContextManager[Opened]]
    release_refunds_attempt: bool = True
    """Whether `release` gives the attempt back."""
    released_is_delayed: bool = True
    """Whether a message that was released for later counts as delayed; else as in flight."""
    remade_is_another: bool = True
    """Whether a queue that was removed and made again is another one to those who have the old one open."""
    receipts_travel: bool = True
    """Whether a receipt that was given up is stale to every process, not only to the one that gave it up."""
    manual_time: bool = True
    """Whether the tests decide what time it is."""
    longest_name: int = 80
    uvloop: bool = False
    defects: Mapping[str, str] = field(default_factory=dict)
    """Tests that cannot pass, since a double does not do as SQS does, and what it does instead."""


@contextlib.asynccontextmanager
async def _memory(folder: Path, doubles: Doubles) -> AsyncIterator[Opened]:
    del folder, doubles
    clock = ManualClock()
    queues = MemoryQueues(clock)
    yield Opened(queues, queues, clock.advance)
    await queues.close()


@contextlib.asynccontextmanager
async def _sqlite(folder: Path, doubles: Doubles) -> AsyncIterator[Opened]:
    del doubles
    clock = ManualClock()
    queues, others = (SqliteQueues(folder / "queues", clock) for _ in range(2))
    try:
        yield Opened(queues, others, clock.advance)
    finally:
        await queues.close()
        await others.close()


def sqs_queues(url: str, prefix: str, response_name: str = "", clock: Clock | None = None) -> SqsQueues:
    """SQS as the double there has it; needs the fixture `aws_credentials`. Polls are short, so that a test is."""
    session = AwsSession(AwsOptions(region=REGION, endpoint=url))
    return SqsQueues(session, clock or SystemClock(), prefix, response_name, poll_seconds=1)


@contextlib.asynccontextmanager
async def _sqs(folder: Path, doubles: Doubles, *, double: str) -> AsyncIterator[Opened]:
    """Queues of this test alone, in real time."""
    del folder
    prefix = f"t{secrets.token_hex(4)}-"
    queues, others = (sqs_queues(doubles.by_name(double).url, prefix) for _ in range(2))
    try:
        yield Opened(queues, others, SystemClock().sleep)
        for name in await queues.names():
            await queues.remove(name)
    finally:
        await queues.close()
        await others.close()


def _sqs_backend(double: str, *, uvloop: bool, defects: Mapping[str, str]) -> QueueBackend:
    return QueueBackend(
        f"sqs-{double}",
        functools.partial(_sqs, double=double),
        release_refunds_attempt=False,
        released_is_delayed=False,
        remade_is_another=False,
        receipts_travel=False,
        manual_time=False,
        longest_name=80 - len("t00000000-") - len("-dead"),
        uvloop=uvloop,
        defects=defects,
    )


TWICE = "two receives at the same moment may get the same message"

BACKENDS = [
    QueueBackend("memory", _memory),
    QueueBackend("sqlite", _sqlite),
    QueueBackend("sqlite-uvloop", _sqlite, uvloop=True),
    _sqs_backend(
        "moto",
        uvloop=False,
        defects={
            "test_stale_receipts_change_nothing_for_the_newer_lease": "it deletes by the receipt of an earlier lease",
            "test_many_receivers_get_different_messages_and_all_of_them": TWICE,
            "test_one_queue_may_be_used_by_many_tasks_at_once": TWICE,
        },
    ),
    _sqs_backend("ministack", uvloop=True, defects={}),
]

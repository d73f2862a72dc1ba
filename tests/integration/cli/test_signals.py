"""What signals mean to a tier: a service manager and a supervisor may both send one, and so may a person in a hurry."""

import signal
import sys
from asyncio.subprocess import PIPE, Process, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.anyio

TIER = """
import asyncio
from pathlib import Path
from burstlens.cli.common import run_until_signalled

async def tier(stop):
    print("ready", flush=True)
    await stop.wait()
    print("draining", flush=True)
    while not Path("finish").exists():
        await asyncio.sleep(0.01)
    print("finished", flush=True)

try:
    run_until_signalled(tier)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture
async def tier(tmp_path: Path) -> AsyncIterator[Process]:
    """One that drains until the file ``finish`` appears."""
    process = await create_subprocess_exec(sys.executable, "-c", TIER, cwd=tmp_path, stdout=PIPE)
    assert await said(process) == "ready"
    yield process
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def said(process: Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


@pytest.mark.parametrize(
    "signals",
    [
        (signal.SIGTERM,),
        (signal.SIGINT,),
        (signal.SIGTERM, signal.SIGTERM),
        (signal.SIGINT, signal.SIGTERM),
        (signal.SIGTERM, signal.SIGINT),
    ],
    ids=lambda signals: "+".join(number.name for number in signals),
)
async def test_r4_told_to_end_twice_it_still_finishes_what_it_holds(
    tmp_path: Path, tier: Process, signals: Sequence[signal.Signals]
) -> None:
    first, *others = signals
    tier.send_signal(first)
    assert await said(tier) == "draining"
    for number in others:
        tier.send_signal(number)
    (tmp_path / "finish").touch()

    assert await said(tier) == "finished"
    assert await tier.wait() == 0


async def test_interrupted_twice_it_ends_at_once(tier: Process) -> None:
    tier.send_signal(signal.SIGINT)
    assert await said(tier) == "draining"
    tier.send_signal(signal.SIGINT)

    assert await said(tier) == "interrupted"
    assert await tier.wait() == 0

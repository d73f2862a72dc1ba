"""Bells between processes: FIFOs in a folder."""

import asyncio
import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from burstlens.queues.sqlite.wakeup import Bell, Listener, ring

pytestmark = pytest.mark.anyio


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def bell(tmp_path: Path) -> Iterator[Bell]:
    bell = Bell(tmp_path)
    yield bell
    bell.close()
    assert list(tmp_path.iterdir()) == []


async def heard(event: asyncio.Event) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await event.wait()
    return event.is_set()


async def test_every_task_that_waits_hears_a_ring(bell: Bell, tmp_path: Path) -> None:
    listener = Listener(bell)
    with listener.waiting() as first, listener.waiting() as second:
        assert not await heard(first)
        ring(tmp_path)
        assert await heard(first)
        assert await heard(second)
    listener.close()


async def test_rings_of_the_past_are_not_heard(bell: Bell, tmp_path: Path) -> None:
    listener = Listener(bell)
    ring(tmp_path)
    with listener.waiting() as event:
        assert not await heard(event)
        ring(tmp_path)
        assert await heard(event)
    listener.close()


async def test_one_that_is_busy_is_disturbed_once(bell: Bell, tmp_path: Path) -> None:
    listener = Listener(bell)
    with listener.waiting():
        pass
    assert listener.active
    ring(tmp_path)
    await asyncio.sleep(0.05)
    assert not listener.active
    with listener.waiting() as event:
        ring(tmp_path)
        assert await heard(event)
    listener.close()


async def test_a_bell_that_nobody_empties_does_not_hold_up_the_sender(bell: Bell, tmp_path: Path) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(bell.file, bytes(4096))
    ring(tmp_path)
    assert len(os.read(bell.file, 1 << 20)) >= 4096


async def test_the_bell_of_a_dead_process_is_removed_and_a_living_one_is_not(bell: Bell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0123456789abcdef")
    ring(tmp_path)
    assert len(list(tmp_path.iterdir())) == 1  # noqa: ASYNC240 - one name
    ring(tmp_path / "missing")

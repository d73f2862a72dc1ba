"""A request that kills every worker that tries it."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.messages import ErrorCode, Request, Result, utc
from burstlens.queues.base import Message, QueueOptions
from burstlens.settings import load_settings
from burstlens.settings.adapters import open_lane
from burstlens.worker.supervisor import Supervisor

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[1]


async def test_r10_it_ends_among_the_dead_letters_and_everybody_gets_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BURSTLENS_QUEUE__LEASE_SECONDS", "1")
    clock = SystemClock()
    lane = await open_lane(load_settings(data=tmp_path), clock)
    replies = await lane.queues.create("responses-test", QueueOptions())
    texts = [f"cat {n}" for n in range(10)]
    for text in ("kill", *texts):
        request = Request(
            id=f"request-{text.replace(' ', '-')}-1",
            filename="x.jpg",
            image=text.encode(),
            reply_to="responses-test",
            submitted_at=utc(clock.now()),
        )
        await lane.requests.send([Message(request.to_json())])
    command = (sys.executable, "-m", "support.killed_worker", str(tmp_path))
    supervisor = Supervisor(command, 2, {**os.environ, "PYTHONPATH": str(TESTS)}, clock)
    running = asyncio.create_task(supervisor.run())
    results: list[Result] = []
    async with asyncio.timeout(50):
        while len(results) < 11:
            deliveries = await replies.receive(10, 5)
            await replies.delete(deliveries)
            results += [Result.parse(delivery.body) for delivery in deliveries]
        while (await lane.requests.depth()).total:
            await asyncio.sleep(0.05)
        supervisor.drain()
        await running
    assert sorted(r.label for r in results if r.label) == texts
    (failed,) = [r.error for r in results if r.error]
    assert failed.code is ErrorCode.DEAD_LETTER
    (dead,) = await lane.requests.dead_letters()
    assert Request.parse(dead.body).image == b"kill"
    await lane.close()

"""Owns a response queue until it is killed: python -m support.replica CONFIG NAME."""

import asyncio
import os
import sys
from pathlib import Path

from burstlens.clock import SystemClock
from burstlens.queues.base import QueueOptions
from burstlens.response_queues import ReplicaQueue, Rhythm
from burstlens.settings import load_settings
from burstlens.settings.adapters import open_lane

RHYTHM = Rhythm(beat_seconds=0.1, silent_seconds=2, sweep_seconds=0.3)


async def own(config: Path, name: str) -> None:
    clock = SystemClock()
    lane = await open_lane(load_settings(config), clock)
    async with ReplicaQueue(lane.queues, lane.buckets.fleet, name, f"process {os.getpid()}", clock, RHYTHM).owned():
        await lane.queues.create(name, QueueOptions())
        print("ready", flush=True)  # noqa: T201
        await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), sys.argv[2]))

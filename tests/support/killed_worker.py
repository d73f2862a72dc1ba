"""A worker that the image ``kill`` kills, process and all: the command of a supervisor in a test."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from burstlens.clock import SystemClock
from burstlens.heartbeats import Heartbeats
from burstlens.recognition.base import ImageError, Recognition
from burstlens.settings import load_settings
from burstlens.settings.adapters import identity, open_lane
from burstlens.worker.worker import Worker
from support.workers import Scripted


class Killed(Scripted):
    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        if images[0] == b"kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().recognise(images, top_k)


async def main(data: Path) -> None:
    settings, clock = load_settings(data=data), SystemClock()
    lane = await open_lane(settings, clock)
    heartbeats = Heartbeats(lane.buckets.fleet, clock)
    worker = Worker(lane, Killed(), heartbeats, identity(), settings.worker, settings.queue_options(), clock)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.drain)
    await worker.run()
    await lane.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

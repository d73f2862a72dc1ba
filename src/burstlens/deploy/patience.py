"""Waiting, in a command that blocks, for what a cloud has under way."""

import asyncio
from collections.abc import Iterator

from burstlens.clock import Clock
from burstlens.errors import Unavailable


def pause(clock: Clock, seconds: float) -> None:
    """Do nothing for so long."""
    asyncio.run(clock.sleep(seconds))


def polls(clock: Clock, what: str, within_seconds: float, every_seconds: float) -> Iterator[None]:
    """Now, and then every `every_seconds`, until its user stops.

    Raises:
        Unavailable: the time is over.
    """
    until = clock.now() + within_seconds
    while True:
        yield
        if clock.now() >= until:
            message = f"{what} takes longer than {within_seconds / 60:.0f} minutes; run the command again to go on"
            raise Unavailable(message)
        pause(clock, every_seconds)

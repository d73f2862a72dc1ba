"""What an EC2 instance is told about its end, and the drain that follows from it."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import structlog

from burstlens.clock import Clock
from burstlens.clouds.ec2 import tags
from burstlens.clouds.ec2.metadata import Metadata, own_tag
from burstlens.errors import Unavailable

WATCH_SECONDS = 2.0
"""AWS recommends 5 for the spot notice (EC2 user guide, "Spot Instance interruption notices"). The tag is how an
autoscaler drains, which should not take much longer than a signal does."""

SPOT_NOTICE_SECONDS = 120.0
"""From the notice to the end of a spot instance (the same page)."""

MARGIN_SECONDS = 10.0
"""The part of a notice that is not for requests: until it is seen, for the last heartbeat, and for powering off."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Notice:
    """Why this instance is to end, and perhaps when."""

    reason: str
    ends_at: float | None = None
    """Seconds since the epoch; None when nobody takes the machine away."""

    def drain_seconds(self, now: float) -> float:
        """How long requests may still be worked on: what is left but for the margin, or half of what is left."""
        left = max(0.0, (self.ends_at or now) - now)
        return max(left - MARGIN_SECONDS, left / 2)


async def find_notice(metadata: Metadata, drain_seconds: float) -> Notice | None:
    """The notice that this instance has, if any; a spot notice comes before the others, for it has an end.

    A rebalance recommendation says that a spot instance is at *elevated risk*, perhaps hours before a notice, perhaps
    with none to follow. A fleet that drained for it would lose capacity, boot times and started hours, and win nothing
    as long as the two minutes of the notice itself suffice to finish what is in work. So it counts only when they do
    not: when a drain may take longer than a notice gives.

    Args:
        metadata: this instance's.
        drain_seconds: the most that a drain takes.

    Raises:
        Unavailable: the metadata does not answer.
    """
    action = await metadata.get("meta-data/spot/instance-action")
    if action is not None:
        return _spot_notice(action)
    if await own_tag(metadata, tags.DRAIN) is not None:
        return Notice(f"tag {tags.DRAIN}")
    if drain_seconds <= SPOT_NOTICE_SECONDS - MARGIN_SECONDS:
        return None
    if await metadata.get("meta-data/events/recommendations/rebalance") is not None:
        return Notice("rebalance recommendation")
    return None


def _spot_notice(text: str) -> Notice:
    """From ``{"action": "terminate", "time": "2017-09-18T08:22:00Z"}``."""
    try:
        action = json.loads(text)
        return Notice(f"spot notice: {action['action']}", datetime.fromisoformat(action["time"]).timestamp())
    except (ValueError, KeyError, TypeError):
        # However it is worded, the machine is about to be taken.
        return Notice(f"spot notice: {text}")


@contextlib.asynccontextmanager
async def heeding_notices(
    metadata: Metadata, stop: asyncio.Event, clock: Clock, drain_seconds: float
) -> AsyncIterator[asyncio.Timeout]:
    """Watch for notices while the block runs. The first one sets `stop`.

    The block is cancelled, and this ends without an error, when it would outlast its machine; then the value has
    expired. What was in work is left to its leases. Metadata that does not answer changes nothing.
    """
    limit = asyncio.timeout(None)
    try:
        async with limit:
            task = asyncio.create_task(_heed(metadata, stop, clock, drain_seconds, limit))
            try:
                yield limit
            finally:
                task.cancel()
    except TimeoutError:
        if not limit.expired():
            raise


async def _heed(
    metadata: Metadata, stop: asyncio.Event, clock: Clock, drain_seconds: float, limit: asyncio.Timeout
) -> None:
    notice = await _first_notice(metadata, clock, drain_seconds)
    _announce(notice, clock)
    stop.set()
    while notice.ends_at is None:
        await clock.sleep(WATCH_SECONDS)
        notice = await _first_notice(metadata, clock, drain_seconds)
        if notice.ends_at is not None:
            _announce(notice, clock)
    await clock.sleep(notice.drain_seconds(clock.now()))
    _log.warning("the machine ends before the drain does, leaving requests to their leases")
    limit.reschedule(asyncio.get_running_loop().time())


def _announce(notice: Notice, clock: Clock) -> None:
    left = None if notice.ends_at is None else round(notice.ends_at - clock.now(), 1)
    _log.warning("this instance is to end, draining", reason=notice.reason, seconds_left=left)


async def _first_notice(metadata: Metadata, clock: Clock, drain_seconds: float) -> Notice:
    answers = True
    while True:
        try:
            notice = await find_notice(metadata, drain_seconds)
        except Unavailable as error:
            if answers:
                _log.warning("cannot look for notices, working on", error=str(error))
            answers = False
        else:
            if notice is not None:
                return notice
            answers = True
        await clock.sleep(WATCH_SECONDS)

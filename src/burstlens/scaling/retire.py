"""The end of a fleet: every instance drained, then gone."""

import asyncio
from collections.abc import Awaitable, Iterable

import structlog

from burstlens.clock import Clock
from burstlens.clouds.base import Cloud
from burstlens.errors import BurstlensError, Throttled, Unavailable

_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.1, 2.0
"""Between two looks at a cloud; the pause grows, since a remote one counts the calls."""
_GROWTH = 1.5
_FAILURES = 3
"""So many looks in a row that get no answer are the last."""
_KILL_SECONDS = 120.0
"""For an instance that was terminated to be gone. A machine of EC2 takes up to a minute or two to shut down."""

_log = structlog.get_logger(__name__)


async def retire(clouds: Iterable[Cloud], fleet: str, clock: Clock, grace_seconds: float) -> None:
    """Drain all instances of the fleet, terminate what is still there after the grace, and see them gone.

    It never raises for a cloud that does not answer: the log then says what may have been left.
    """
    await asyncio.gather(*(_retire_from(cloud, fleet, clock, grace_seconds) for cloud in clouds))


async def _retire_from(cloud: Cloud, fleet: str, clock: Clock, grace_seconds: float) -> None:
    try:
        # What does not go well for one instance, or for a moment, must not leave all of them running.
        await _told(cloud, cloud.drain(await _ids(cloud, fleet)))
        if not await _gone_within(grace_seconds, cloud, fleet, clock):
            left = await _ids(cloud, fleet)
            _log.warning("instances did not drain in time and are terminated", cloud=cloud.name, instances=left)
            await _told(cloud, cloud.terminate(left))
            if not await _gone_within(_KILL_SECONDS, cloud, fleet, clock):
                _log.error("instances are left running", cloud=cloud.name, instances=await _ids(cloud, fleet))
    except BurstlensError as error:
        _log_silence(cloud, error)


async def _told(cloud: Cloud, call: Awaitable[None]) -> None:
    try:
        await call
    except BurstlensError as error:
        _log_silence(cloud, error)


def _log_silence(cloud: Cloud, error: BurstlensError) -> None:
    _log.error("the cloud does not answer, instances may be left running", cloud=cloud.name, error=str(error))


async def _gone_within(seconds: float, cloud: Cloud, fleet: str, clock: Clock) -> bool:
    until = clock.now() + seconds
    pause_seconds = _LOOK_SECONDS
    failures = 0
    while True:
        try:
            if not await _ids(cloud, fleet):
                return True
            failures = 0
        except (Throttled, Unavailable):
            failures += 1
            if failures == _FAILURES:
                raise
        left_seconds = until - clock.now()
        if left_seconds <= 0:
            return False
        await clock.sleep(min(pause_seconds, left_seconds))
        pause_seconds = min(pause_seconds * _GROWTH, _LONGEST_LOOK_SECONDS)


async def _ids(cloud: Cloud, fleet: str) -> list[str]:
    return [instance.id for instance in await cloud.instances(fleet)]

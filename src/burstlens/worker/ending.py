"""The moment by which a worker must have ended, since its credentials end soon after."""

from collections.abc import Callable

import structlog

from burstlens.clock import Clock
from burstlens.worker.options import WorkerOptions

CLOCK_SECONDS = 60.0
"""How long a worker that finds itself past its end when it starts goes on: a clock that was wrong at boot is right
within this."""

_LONGEST_SECONDS = 43_200.0
"""No session of a role lasts longer (IAM, "maximum session duration")."""

_log = structlog.get_logger(__name__)


async def end_in_time(options: WorkerOptions, clock: Clock, drain: Callable[[], None]) -> None:
    """Call `drain` when there is just time left for a drain before `options.ends_at`.

    It looks at the clock again and again, and does not trust its first look: at boot a clock may be years off.
    """
    if not options.ends_at:
        return
    latest = options.ends_at - options.drain_seconds
    left = latest - (now := clock.now())
    if left <= 0:
        _log.error("past its end at its start: the clock is wrong, or it was late", now=now, ends_at=options.ends_at)
        await clock.sleep(CLOCK_SECONDS)
    elif left > _LONGEST_SECONDS:
        _log.error("its end is further off than credentials last: the clock is slow", now=now, ends_at=options.ends_at)
    while (left := latest - (now := clock.now())) > 0:
        await clock.sleep(min(left, options.heartbeat_seconds))
    _log.info("its time is over", now=now, ends_at=options.ends_at)
    drain()

"""The fleet as the autoscaler sees it: every instance together with what its heartbeats say. Pure."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from operator import itemgetter

from burstlens.clouds.base import Instance, State
from burstlens.messages import Heartbeat, WorkerState
from burstlens.scaling.options import ScalingOptions

_ENDING = frozenset({WorkerState.DRAINING, WorkerState.STOPPED})

_Said = tuple[float, Heartbeat]
"""A heartbeat behind the time at which it was sent, in seconds since the epoch."""


class Activity(StrEnum):
    """What an instance is doing, as far as is known."""

    BOOTING = "booting"
    """No heartbeat yet and still within its boot allowance: no orphan (R5)."""
    IDLE = "idle"
    BUSY = "busy"
    """Holds requests, or has not said lately that it holds none: unknown is not idle."""
    DRAINING = "draining"
    SILENT = "silent"
    """No heartbeat within its boot allowance."""
    FAILED = "failed"


_CAPACITY = frozenset({Activity.BOOTING, Activity.IDLE, Activity.BUSY})
_ENDED = frozenset({Activity.FAILED, Activity.DRAINING})
_BY_STATE = {State.FAILED: Activity.FAILED, State.DRAINING: Activity.DRAINING, State.PENDING: Activity.BOOTING}


@dataclass(frozen=True, slots=True)
class Member:
    """One instance and what is known of it."""

    instance: Instance
    activity: Activity
    has_beaten: bool = False
    holding: bool = False
    """It said lately that it holds requests, or nothing is known of it."""
    draining_seconds: float = 0.0
    """Since the autoscaler first saw it drain."""
    listed: bool = True
    """Whether a cloud lists it; a launch whose outcome is not known yet is not listed, and counts (R2)."""
    fresh: tuple[Heartbeat, ...] = field(default=(), compare=False, repr=False)
    """What its workers said lately, oldest first."""

    @property
    def is_capacity(self) -> bool:
        """Whether it works for the queue, now or once it has booted (R1)."""
        return self.activity in _CAPACITY


def muster(
    instances: Sequence[Instance],
    heartbeats: Sequence[Heartbeat] | None,
    draining_since: Mapping[str, float],
    now: float,
    options: ScalingOptions,
    hearing_since: float = -math.inf,
) -> list[Member]:
    """Join instances with their heartbeats.

    Args:
        instances: all that are not terminated.
        heartbeats: None when they could not be read; then nobody is silent and everybody may be busy.
        draining_since: seconds since the epoch, by id, for those that were seen draining before.
        now: seconds since the epoch.
        options: how long silence may last.
        hearing_since: seconds since the epoch; silence is counted from then on at the earliest.
    """
    if heartbeats is None:
        return [_unheard(instance, draining_since.get(instance.id, now), now) for instance in instances]
    said: defaultdict[str, list[_Said]] = defaultdict(list)
    for beat in heartbeats:
        said[beat.instance].append((beat.sent_at.timestamp(), beat))
    return [
        _member(instance, _said_by(instance, said), draining_since.get(instance.id, now), now, options, hearing_since)
        for instance in instances
    ]


def _said_by(instance: Instance, said: Mapping[str, Sequence[_Said]]) -> list[_Said]:
    """What this instance's workers said, oldest first. Names are used again: older ones are not its own."""
    mine = [
        each for name in {instance.name, instance.id} for each in said.get(name, ()) if each[0] >= instance.launched_at
    ]
    if len(mine) > 1:
        mine.sort(key=itemgetter(0))
    return mine


def _unheard(instance: Instance, draining_since: float, now: float) -> Member:
    """What its cloud alone can tell of an instance."""
    activity = _BY_STATE.get(instance.state, Activity.BUSY)
    return Member(
        instance,
        activity,
        holding=True,
        draining_seconds=now - draining_since if activity is Activity.DRAINING else 0.0,
    )


def _member(
    instance: Instance,
    said: Sequence[_Said],
    draining_since: float,
    now: float,
    options: ScalingOptions,
    hearing_since: float,
) -> Member:
    fresh = tuple([beat for sent_at, beat in said if now - sent_at <= options.heartbeat_stale_seconds])
    holding = any(beat.held or beat.state is WorkerState.BUSY for beat in fresh)
    is_silent = now - max(hearing_since, _last_sign(instance, said)) > options.boot_allowance_seconds
    activity = _activity(instance, said, fresh, holding, is_silent)
    draining_seconds = now - draining_since if activity is Activity.DRAINING else 0.0
    return Member(instance, activity, bool(said), holding, draining_seconds, fresh=fresh)


def _last_sign(instance: Instance, said: Sequence[_Said]) -> float:
    return said[-1][0] if said else instance.launched_at


def _activity(
    instance: Instance, said: Sequence[_Said], fresh: Sequence[Heartbeat], holding: bool, is_silent: bool
) -> Activity:
    by_state = _BY_STATE.get(instance.state, Activity.BUSY)
    if by_state in _ENDED:
        return by_state
    # A worker that drains by itself (a spot notice, its lifetime) takes no more requests, whatever its cloud calls it.
    latest = fresh or [beat for _, beat in said[-1:]]
    if latest and all(beat.state in _ENDING for beat in latest):
        return Activity.DRAINING
    if is_silent:
        return Activity.SILENT
    if not said:
        return Activity.BOOTING
    return Activity.IDLE if fresh and not holding else Activity.BUSY

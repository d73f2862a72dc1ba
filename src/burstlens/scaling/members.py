"""The fleet as the autoscaler sees it: every instance together with what its heartbeats say. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from burstlens.clouds.base import Instance, State
from burstlens.messages import Heartbeat, WorkerState
from burstlens.scaling.options import ScalingOptions

_ENDING = frozenset({WorkerState.DRAINING, WorkerState.STOPPED})


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

    @property
    def is_capacity(self) -> bool:
        """Whether it works for the queue, now or once it has booted (R1)."""
        return self.activity in {Activity.BOOTING, Activity.IDLE, Activity.BUSY}


def muster(
    instances: Sequence[Instance],
    heartbeats: Sequence[Heartbeat] | None,
    draining_since: Mapping[str, float],
    now: float,
    options: ScalingOptions,
) -> list[Member]:
    """Join instances with their heartbeats.

    Args:
        instances: all that are not terminated.
        heartbeats: None when they could not be read; then nobody is silent and everybody may be busy.
        draining_since: seconds since the epoch, by id, for those that were seen draining before.
        now: seconds since the epoch.
        options: how long silence may last.
    """
    return [_member(instance, heartbeats, draining_since.get(instance.id, now), now, options) for instance in instances]


def beats_of(instance: Instance, heartbeats: Sequence[Heartbeat]) -> list[Heartbeat]:
    """What this instance's workers said, oldest first. Names are used again: older ones are not its own."""
    mine = [
        beat
        for beat in heartbeats
        if beat.instance in {instance.name, instance.id} and beat.sent_at.timestamp() >= instance.launched_at
    ]
    return sorted(mine, key=lambda beat: beat.sent_at)


def _member(
    instance: Instance,
    heartbeats: Sequence[Heartbeat] | None,
    draining_since: float,
    now: float,
    options: ScalingOptions,
) -> Member:
    beats = beats_of(instance, heartbeats or ())
    fresh = [beat for beat in beats if now - beat.sent_at.timestamp() <= options.heartbeat_stale_seconds]
    holding = heartbeats is None or any(beat.held or beat.state is WorkerState.BUSY for beat in fresh)
    activity = _activity(instance, beats, fresh, now, options) if heartbeats is not None else _by_state(instance)
    return Member(
        instance=instance,
        activity=activity,
        has_beaten=bool(beats),
        holding=holding,
        draining_seconds=now - draining_since if activity is Activity.DRAINING else 0.0,
    )


def _by_state(instance: Instance) -> Activity:
    """What the cloud alone can tell."""
    activities = {State.FAILED: Activity.FAILED, State.DRAINING: Activity.DRAINING, State.PENDING: Activity.BOOTING}
    return activities.get(instance.state, Activity.BUSY)


def _activity(
    instance: Instance, beats: Sequence[Heartbeat], fresh: Sequence[Heartbeat], now: float, options: ScalingOptions
) -> Activity:
    by_state = _by_state(instance)
    if by_state in {Activity.FAILED, Activity.DRAINING}:
        return by_state
    # A worker that drains by itself (a spot notice, its lifetime) takes no more requests, whatever its cloud calls it.
    latest = fresh or beats[-1:]
    if latest and all(beat.state in _ENDING for beat in latest):
        return Activity.DRAINING
    last_sign = beats[-1].sent_at.timestamp() if beats else instance.launched_at
    if now - last_sign > options.boot_allowance_seconds:
        return Activity.SILENT
    if not beats:
        return Activity.BOOTING
    idle = fresh and not any(beat.held or beat.state is WorkerState.BUSY for beat in fresh)
    return Activity.IDLE if idle else Activity.BUSY

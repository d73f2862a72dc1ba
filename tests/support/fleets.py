"""Instances, heartbeats and members with only what a test is about."""

from burstlens.clouds.base import Instance, State
from burstlens.messages import Heartbeat, WorkerState, utc
from burstlens.scaling.members import Activity, Member

NOW = 1_700_000_000.0


def instance(
    number: int, state: State = State.RUNNING, *, pool: str = "cores", age_seconds: float = 60.0, fault: str = ""
) -> Instance:
    """`app-tier-N` with the id ``iN``."""
    return Instance(f"i{number}", f"app-tier-{number}", pool, state, NOW - age_seconds, fault)


def heartbeat(
    number: int, state: WorkerState = WorkerState.IDLE, *, age_seconds: float = 1.0, held: int = 0, process: int = 1
) -> Heartbeat:
    """What a worker process of `app-tier-N` said."""
    return Heartbeat(
        worker=f"i{number}-{process}",
        instance=f"app-tier-{number}",
        state=state,
        started_at=utc(NOW - age_seconds),
        sent_at=utc(NOW - age_seconds),
        held=held,
    )


def member(
    number: int, activity: Activity = Activity.IDLE, *, pool: str = "cores", age_seconds: float = 60.0
) -> Member:
    """A member that does this."""
    states = {Activity.FAILED: State.FAILED, Activity.DRAINING: State.DRAINING}
    return Member(instance(number, states.get(activity, State.RUNNING), pool=pool, age_seconds=age_seconds), activity)

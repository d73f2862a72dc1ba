"""What the autoscaler needs of heartbeats; `burstlens.heartbeats.Heartbeats` keeps them in a bucket."""

from collections.abc import Sequence
from typing import Protocol

from burstlens.messages import Heartbeat


class Beats(Protocol):
    """All calls raise `NotAuthorized` or `Unavailable` when nobody can tell."""

    async def all(self) -> Sequence[Heartbeat]:
        """The last heartbeat of every worker, old ones too."""

    async def remove(self, worker: str) -> None:
        """Forget a worker that has ended."""

    async def send_autoscaler(self) -> None:
        """Say that the autoscaler is alive."""

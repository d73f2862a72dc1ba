"""A lane: one request queue, the queues that answers go to, and the buckets that belong to them.

It is one value that is passed around, never a global: a deployment may later have several.
"""

from dataclasses import dataclass

from burstlens.buckets import Buckets
from burstlens.queues.base import Queue, Queues

REQUESTS = "requests"
"""Default name of the request queue."""


@dataclass(frozen=True, slots=True)
class Lane:
    """All that a web tier, a worker and the autoscaler share."""

    queues: Queues
    requests: Queue
    buckets: Buckets

    async def close(self) -> None:
        """Release connections, files and threads."""
        await self.queues.close()

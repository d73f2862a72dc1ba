"""Sending results to the response queue that each request names."""

import structlog

from burstlens.errors import NotAuthorized, NotFound
from burstlens.messages import Result
from burstlens.queues.base import Message, Queue, Queues

_MAX_OPEN = 64
"""Response queues kept open; web replicas come and go, so this must not grow for ever."""

_log = structlog.get_logger(__name__)


class Replies:
    """The worker's way back to the web replicas."""

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._open: dict[str, Queue] = {}

    async def send(self, reply_to: str | None, result: Result) -> None:
        """Send the result. Where nobody is named, or the queue is gone or refuses it, it waits in the output bucket.

        Raises:
            BurstlensError: the queue did not take it; it may or may not have been stored.
        """
        if reply_to is None:
            return
        try:
            queue = await self._queue(reply_to)
            await queue.send([Message(result.to_json())])
        except NotFound:
            self._open.pop(reply_to, None)
            _log.info("response queue is gone", reply_to=reply_to, request=result.id)
        except (NotAuthorized, ValueError) as error:
            _log.warning("the response queue does not take the result", request=result.id, error=str(error))

    async def _queue(self, name: str) -> Queue:
        if name not in self._open:
            if len(self._open) >= _MAX_OPEN:
                self._open.pop(next(iter(self._open)))
            self._open[name] = await self._queues.open(name)
        return self._open[name]

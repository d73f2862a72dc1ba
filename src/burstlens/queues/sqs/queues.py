"""Queues on Amazon SQS: for fleets that span machines and clouds.

Every queue has a dead-letter queue of its own, response queues too, since a listener buries a reply that it cannot
read. It is made before its queue and removed before it, so that whatever is left when a process dies in between still
shows by its name, and is removed with it.
"""

from collections.abc import Mapping
from typing import Any

from burstlens.aws.session import AwsSession
from burstlens.clock import Clock
from burstlens.errors import Misconfigured, NotFound
from burstlens.queues.base import QueueOptions
from burstlens.queues.sqs.api import SqsApi
from burstlens.queues.sqs.attributes import DEAD_LETTER_ATTRIBUTES, Found, changes, wanted
from burstlens.queues.sqs.limits import MAX_WAIT_SECONDS
from burstlens.queues.sqs.naming import DEAD, Naming
from burstlens.queues.sqs.queue import SqsQueue

_PAGE = 1000
"""Names in one answer, the most that ListQueues gives."""
_SETTLING_SECONDS, _SETTLING_TRIES = 1.0, 5
"""SQS asks to wait a second before a new queue is used; see CreateQueue in its API reference."""


class SqsQueues:
    """Queues by name, in one account and region. An object serves one event loop.

    A queue that was removed cannot be made again for 60 seconds: until then `create` raises `Unavailable`.
    """

    def __init__(
        self,
        session: AwsSession,
        clock: Clock,
        prefix: str,
        response_name: str = "",
        poll_seconds: int = MAX_WAIT_SECONDS,
    ) -> None:
        """Ask nobody yet.

        Args:
            session: where AWS is, and who asks.
            clock: the time, for leases and pauses.
            prefix: begins the names of this deployment's queues on SQS.
            response_name: the whole name on SQS of the one queue that every ``responses-…`` means; it is created when
                it is missing, but neither changed nor removed. Empty gives each its own.
            poll_seconds: the longest that one call waits for a message, at most 20.
        """
        self._api = SqsApi(session, clock)
        self._clock = clock
        self._naming = Naming(prefix, response_name)
        self._poll_seconds = poll_seconds

    async def create(self, name: str, options: QueueOptions) -> SqsQueue:
        """Open the queue, creating it and its dead-letter queue when they do not exist.

        Of an existing one, only the lease and the number of attempts are changed, and only when they differ. Its
        dead-letter queue is the one that its redrive policy names.
        """
        physical = self._naming.physical(name)
        queue = await self._find(physical)
        if queue is not None and self._naming.is_fixed(name):
            return await self._opened(name, queue)
        dead_name = (queue and queue.dead_letter_name) or physical + DEAD
        dead = await self._find(dead_name) or await self._make(dead_name, DEAD_LETTER_ATTRIBUTES)
        queue = queue or await self._make(physical, wanted(options, dead.arn))
        if different := changes(queue, options, dead.arn):
            await self._api.call("SetQueueAttributes", QueueUrl=queue.url, Attributes=different)
            queue = Found(queue.url, {**queue.attributes, **different})
        return self._queue(name, queue, dead)

    async def open(self, name: str) -> SqsQueue:
        """Open an existing queue."""
        queue = await self._find(self._naming.physical(name))
        if queue is None:
            message = f"there is no queue {name!r} on SQS; its name there is {self._naming.physical(name)!r}"
            raise NotFound(message)
        return await self._opened(name, queue)

    async def remove(self, name: str) -> None:
        """Delete the queue and the dead-letter queue that was made with it.

        A response queue that the settings name stays, as does a dead-letter queue of another name.
        """
        physical = self._naming.physical(name)
        if self._naming.is_fixed(name):
            return
        for each in (physical + DEAD, physical):
            url = await self._url(each)
            if url is not None:
                await self._delete(url)

    async def names(self, prefix: str = "") -> list[str]:
        """The names of all queues that begin with `prefix`, sorted; one that is half made or half removed as well."""
        found: set[str] = set()
        parameters: dict[str, Any] = {"MaxResults": _PAGE}
        if start := self._naming.prefix + prefix:
            parameters["QueueNamePrefix"] = start
        while True:
            answer = await self._api.call("ListQueues", **parameters)
            physical = (url.rpartition("/")[2] for url in answer.get("QueueUrls") or ())
            found.update(name for each in physical if (name := self._naming.name(each)) and name.startswith(prefix))
            if not answer.get("NextToken"):
                return sorted(found)
            parameters["NextToken"] = answer["NextToken"]

    async def close(self) -> None:
        """Release the connections; the queues stay."""
        await self._api.close()

    async def _opened(self, name: str, queue: Found) -> SqsQueue:
        dead = await self._find(queue.dead_letter_name) if queue.dead_letter_name else None
        return self._queue(name, queue, dead)

    def _queue(self, name: str, queue: Found, dead: Found | None) -> SqsQueue:
        return SqsQueue(name, queue, dead, self._api, self._clock, self._poll_seconds)

    async def _find(self, physical: str) -> Found | None:
        url = await self._url(physical)
        try:
            return None if url is None else await self._read(url)
        except NotFound:  # removed between the two calls
            return None

    async def _url(self, physical: str) -> str | None:
        try:
            answer = await self._api.call("GetQueueUrl", QueueName=physical)
        except NotFound:
            return None
        return str(answer["QueueUrl"])

    async def _read(self, url: str) -> Found:
        answer = await self._api.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"])
        return Found(url, answer["Attributes"])

    async def _make(self, physical: str, attributes: Mapping[str, str]) -> Found:
        """Create it, or find the one that somebody else has created meanwhile, perhaps with other attributes."""
        try:
            answer = await self._api.call("CreateQueue", QueueName=physical, Attributes=attributes)
        except Misconfigured:
            found = await self._find(physical)
            if found is None:
                raise
            return found
        for _ in range(_SETTLING_TRIES):
            found = await self._find(physical)
            if found is not None:
                return found
            await self._clock.sleep(_SETTLING_SECONDS)
        return await self._read(str(answer["QueueUrl"]))

    async def _delete(self, url: str) -> None:
        try:
            await self._api.call("DeleteQueue", QueueUrl=url)
        except NotFound:  # somebody else was faster, or the answer of an earlier attempt was lost
            return

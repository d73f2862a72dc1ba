"""One queue on SQS."""

from collections.abc import Iterable, Sequence

from burstlens.clock import Clock
from burstlens.errors import Misconfigured
from burstlens.queues.base import DeadLetter, Delivery, Depth, Message
from burstlens.queues.sqs.api import SqsApi
from burstlens.queues.sqs.attributes import Found
from burstlens.queues.sqs.batches import Entry, call_in_batches, raise_unless_lost
from burstlens.queues.sqs.dead_letters import BURIAL_BYTES, DeadLetters, count
from burstlens.queues.sqs.leases import Leases
from burstlens.queues.sqs.limits import MAX_BATCH, check_messages, whole_seconds


class SqsQueue:
    """A queue and its dead-letter queue, as they were when it was opened.

    What was set on them since, by whomever, is known here only after it is opened again. SQS knows a queue by its name
    alone: one that was removed and made again is the same to those who have it open.
    """

    def __init__(
        self, name: str, queue: Found, dead: Found | None, api: SqsApi, clock: Clock, poll_seconds: int
    ) -> None:
        self._name = name
        self._url = queue.url
        self._lease_seconds = queue.lease_seconds
        self._max_message_bytes = queue.max_bytes
        self._api = api
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._leases = Leases()
        self._dead: DeadLetters | None = None
        if dead is not None:
            self._max_message_bytes = min(queue.max_bytes, dead.max_bytes) - BURIAL_BYTES
            self._dead = DeadLetters(api, dead.url, dead.max_bytes, queue.max_receives)

    @property
    def name(self) -> str:
        """The name it was opened by."""
        return self._name

    @property
    def max_message_bytes(self) -> int:
        """What both queues take, less what is written on a message when it is buried."""
        return self._max_message_bytes

    async def send(self, messages: Sequence[Message]) -> None:
        """Store all messages, in calls of at most ten and 1 MiB."""
        check_messages(messages, self._max_message_bytes)
        entries: list[Entry] = [
            {"MessageBody": message.body, "DelaySeconds": whole_seconds(message.delay_seconds)} for message in messages
        ]
        for failure in await call_in_batches(self._api, "SendMessageBatch", self._url, entries):
            raise failure.error

    async def receive(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Lease up to `limit` messages, but at most ten, waiting up to `wait_seconds` for the first.

        The wait is rounded up to whole seconds. A receive that is cancelled closes its connection.
        """
        deadline = self._clock.now() + wait_seconds
        while True:
            remaining_seconds = deadline - self._clock.now()
            deliveries = await self._receive(limit, min(whole_seconds(remaining_seconds), self._poll_seconds))
            if deliveries or remaining_seconds <= self._poll_seconds:
                return deliveries

    async def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Make each lease end `seconds` from now, and return those that were already lost.

        SQS lets no lease last longer than 12 hours from the receive: what would is cut, then lost.
        """
        now = self._clock.now()
        held = [delivery for delivery in deliveries if not self._leases.ended(delivery.receipt, now)]
        renewed = await self._renew(held, seconds)
        lost = [delivery for delivery in deliveries if delivery not in renewed]
        return [delivery for delivery in lost if not self._leases.being_given_up(delivery.receipt)]

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float = 0.0) -> None:
        """Give messages back untried, visible after `delay_seconds`; SQS counts the attempt."""
        now = self._clock.now()
        receipts = _distinct(delivery for delivery in deliveries if not self._leases.ended(delivery.receipt, now))
        delay = whole_seconds(delay_seconds)
        entries: list[Entry] = [{"ReceiptHandle": receipt, "VisibilityTimeout": delay} for receipt in receipts]
        with self._leases.giving_up(receipts):
            failures = await call_in_batches(self._api, "ChangeMessageVisibilityBatch", self._url, entries)
            raise_unless_lost(failures)

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages whose work is done, even after the lease, as far as SQS still can."""
        receipts = _distinct(delivery for delivery in deliveries if not self._leases.given_up(delivery.receipt))
        entries: list[Entry] = [{"ReceiptHandle": receipt} for receipt in receipts]
        with self._leases.giving_up(receipts):
            raise_unless_lost(await call_in_batches(self._api, "DeleteMessageBatch", self._url, entries))

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move messages to the dead letters: first the copy, then the delete.

        Whether a receipt is stale, only renewing its lease tells. One that ran out may be refused even though nobody
        has received the message since: then whoever does will bury it.
        """
        dead = self._dead_letters()
        held = [delivery for delivery in deliveries if not self._leases.given_up(delivery.receipt)]
        renewed = await self._renew(held, self._lease_seconds)
        await dead.bury(renewed, reason, self._clock.now())
        await self.delete(renewed)

    async def depth(self) -> Depth:
        """Count; SQS only promises to be right about a minute after the last change."""
        began = self._clock.now()
        visible, in_flight, delayed = await count(self._api, self._url)
        return Depth(visible, in_flight, delayed, age_seconds=max(0.0, self._clock.now() - began))

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters; nobody else sees them meanwhile."""
        return await self._dead_letters().read(limit)

    async def dead_letter_count(self) -> int:
        """How many dead letters there are, approximately."""
        return await self._dead_letters().count()

    async def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Put these dead letters (None: all) back into the queue as new messages; return how many."""
        return await self._dead_letters().take_out(message_ids, self._send_again)

    async def purge_dead_letters(self, message_ids: Sequence[str] | None = None) -> int:
        """Delete these dead letters (None: all); return how many."""
        return await self._dead_letters().take_out(message_ids, _forget)

    async def _receive(self, limit: int, wait_seconds: int) -> list[Delivery]:
        answer = await self._api.call(
            "ReceiveMessage",
            patience_seconds=wait_seconds,
            QueueUrl=self._url,
            MaxNumberOfMessages=min(limit, MAX_BATCH),
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        now = self._clock.now()
        deliveries = []
        for message in answer.get("Messages", ()):
            receipt, facts = message["ReceiptHandle"], message["Attributes"]
            self._leases.take(receipt, now, self._lease_seconds)
            attempt, sent_at = int(facts["ApproximateReceiveCount"]), int(facts["SentTimestamp"]) / 1000
            deliveries.append(Delivery(message["MessageId"], message["Body"], receipt, attempt, sent_at))
        return deliveries

    async def _renew(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Extend these leases, and return those of them that SQS has extended."""
        now = self._clock.now()
        lengths = {
            delivery.receipt: min(whole_seconds(seconds), int(self._leases.seconds_left(delivery.receipt, now)))
            for delivery in deliveries
        }
        receipts = [receipt for receipt, length in lengths.items() if length > 0]
        entries: list[Entry] = [
            {"ReceiptHandle": receipt, "VisibilityTimeout": lengths[receipt]} for receipt in receipts
        ]
        failures = await call_in_batches(self._api, "ChangeMessageVisibilityBatch", self._url, entries)
        raise_unless_lost(failures)
        renewed = set(receipts) - {receipts[failure.index] for failure in failures}
        for receipt in renewed:
            self._leases.extend(receipt, now + lengths[receipt])
        return [delivery for delivery in deliveries if delivery.receipt in renewed]

    async def _send_again(self, bodies: Sequence[str]) -> None:
        entries: list[Entry] = [{"MessageBody": body} for body in bodies]
        for failure in await call_in_batches(self._api, "SendMessageBatch", self._url, entries):
            raise failure.error

    def _dead_letters(self) -> DeadLetters:
        if self._dead is None:
            message = f"the queue {self._name!r} has no dead-letter queue: set a RedrivePolicy on it"
            raise Misconfigured(message)
        return self._dead


async def _forget(bodies: Sequence[str]) -> None:
    del bodies


def _distinct(deliveries: Iterable[Delivery]) -> list[str]:
    """Their receipts; SQS refuses a call that names one twice."""
    return list(dict.fromkeys(delivery.receipt for delivery in deliveries))

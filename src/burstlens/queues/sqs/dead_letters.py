"""The dead-letter queue of a queue: what lies in it, and how a message gets there and back.

It is a queue like any other, so letters are looked at by receiving them, and shown again afterwards: it moves nothing
on by itself, so being received often does not harm them. While one operator looks, or when he dies while looking, the
letters are hidden from others for up to `HIDDEN_SECONDS`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from burstlens.queues.base import DeadLetter, Delivery
from burstlens.queues.sqs.api import SqsApi
from burstlens.queues.sqs.batches import Entry, call_in_batches, entry_bytes, raise_unless_lost
from burstlens.queues.sqs.limits import MAX_BATCH, printable

HIDDEN_SECONDS = 60
PATIENCE_SECONDS = 1
"""How long to wait for letters that are counted but do not come: a receive that does not wait asks only some of SQS's
servers."""
BURIAL_BYTES = 128
"""What a message must leave free to be buried: 57 bytes for names, types and numbers, the rest for a short reason."""
_MOST_REASON_BYTES = 500

_Letter = Mapping[str, Any]
"""A message as ReceiveMessage gives it."""


class DeadLetters:
    """What a `Queue` does with its dead letters. All calls raise what SQS's errors mean."""

    def __init__(self, api: SqsApi, url: str, max_bytes: int, max_receives: int) -> None:
        self._api = api
        self._url = url
        self._max_bytes = max_bytes
        self._max_receives = max_receives

    async def bury(self, deliveries: Sequence[Delivery], reason: str, now: float) -> None:
        """Store a copy of each message, with what is known of its end."""
        entries = [self._burial(delivery, reason, now) for delivery in deliveries]
        for failure in await call_in_batches(self._api, "SendMessageBatch", self._url, entries):
            raise failure.error

    async def count(self) -> int:
        """How many there are, approximately; those that somebody looks at included."""
        return sum(await self._counts())

    async def read(self, limit: int) -> list[DeadLetter]:
        """The oldest of those that can be seen now."""
        found: list[_Letter] = []
        async for batch in self._batches():
            found += batch
            if len(found) >= limit:
                break
        await self._show(found)
        return sorted(map(self._parsed, found), key=lambda letter: letter.died_at)[:limit]

    async def take_out(
        self, message_ids: Sequence[str] | None, keep: Callable[[Sequence[str]], Awaitable[None]]
    ) -> int:
        """Delete these letters (None: all), ten at a time, each after `keep` was given its body; return how many."""
        wanted = None if message_ids is None else set(message_ids)
        others: list[_Letter] = []
        count = 0
        async for batch in self._batches():
            chosen = [letter for letter in batch if wanted is None or letter["MessageId"] in wanted]
            others += [{**letter, "Body": ""} for letter in batch if letter not in chosen]
            await keep([letter["Body"] for letter in chosen])
            receipts: list[Entry] = [{"ReceiptHandle": letter["ReceiptHandle"]} for letter in chosen]
            raise_unless_lost(await call_in_batches(self._api, "DeleteMessageBatch", self._url, receipts))
            count += len(chosen)
            if wanted is not None and count >= len(wanted):
                break
        await self._show(others)
        return count

    async def _batches(self) -> AsyncIterator[list[_Letter]]:
        """All that can be seen, each once; whoever takes them shows them again."""
        expected, _, _ = await self._counts()
        seen: set[str] = set()
        while True:
            answer = await self._api.call(
                "ReceiveMessage",
                patience_seconds=PATIENCE_SECONDS,
                QueueUrl=self._url,
                MaxNumberOfMessages=MAX_BATCH,
                VisibilityTimeout=HIDDEN_SECONDS,
                WaitTimeSeconds=PATIENCE_SECONDS if len(seen) < expected else 0,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            )
            batch = [letter for letter in answer.get("Messages", ()) if letter["MessageId"] not in seen]
            if not batch:
                return
            seen.update(letter["MessageId"] for letter in batch)
            yield batch

    async def _show(self, letters: Sequence[_Letter]) -> None:
        entries: list[Entry] = [
            {"ReceiptHandle": letter["ReceiptHandle"], "VisibilityTimeout": 0} for letter in letters
        ]
        raise_unless_lost(await call_in_batches(self._api, "ChangeMessageVisibilityBatch", self._url, entries))

    async def _counts(self) -> tuple[int, int, int]:
        return await count(self._api, self._url)

    def _burial(self, delivery: Delivery, reason: str, now: float) -> Entry:
        attributes = {
            "attempts": {"DataType": "Number", "StringValue": str(delivery.attempt)},
            "died_at": {"DataType": "Number", "StringValue": f"{now:.3f}"},
            "reason": {"DataType": "String", "StringValue": ""},
        }
        entry = {"MessageBody": delivery.body, "MessageAttributes": attributes}
        room = min(self._max_bytes - entry_bytes(entry), _MOST_REASON_BYTES)
        attributes["reason"]["StringValue"] = printable(reason, room)
        return entry

    def _parsed(self, letter: _Letter) -> DeadLetter:
        """One that SQS moved by itself carries no word of it: then it died after it was sent, and nobody knows when."""
        written = {name: value["StringValue"] for name, value in letter.get("MessageAttributes", {}).items()}
        if {"attempts", "died_at", "reason"} <= written.keys():
            attempts, reason = int(written["attempts"]), written["reason"]
            died_at = float(written["died_at"])
        else:
            attempts, reason = self._max_receives, f"given up after {self._max_receives} deliveries"
            died_at = int(letter["Attributes"]["SentTimestamp"]) / 1000
        return DeadLetter(letter["MessageId"], letter["Body"], attempts, reason, died_at)


async def count(api: SqsApi, url: str) -> tuple[int, int, int]:
    """Messages of a queue that are visible, in flight and delayed, approximately."""
    names = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesNotVisible",
        "ApproximateNumberOfMessagesDelayed",
    )
    answer = await api.call("GetQueueAttributes", QueueUrl=url, AttributeNames=list(names))
    visible, in_flight, delayed = (int(answer["Attributes"][name]) for name in names)
    return visible, in_flight, delayed

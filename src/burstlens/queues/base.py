"""The queue port. What is written here is the contract; tests/contracts/ holds every adapter to it.

Delivery is *at least once* and in no promised order. A received message is leased: until its lease ends it is this
receiver's alone; after that somebody else may receive it, and its attempt count goes up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

BURIAL_ATTEMPTS = 3
"""Deliveries beyond `max_attempts`: a worker then answers the client and calls `bury` (see `Queue.receive`)."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """What a queue is created with."""

    lease_seconds: float = 30.0
    """How long a receive keeps the message for its receiver (SQS: visibility timeout, at most 12 h)."""
    max_attempts: int = 3
    """How often a message may be tried before it is a dead letter."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something to send.

    `body` is text of at least one character, and without control characters other than tab and the ends of lines, since
    SQS carries nothing else (``#x9 #xA #xD #x20-#xD7FF #xE000-#xFFFD #x10000-#x10FFFF``); embedded backends take more.
    """

    body: str
    delay_seconds: float = 0.0
    """Not to be received before this time is over (SQS: at most 900)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was received, and the receipt that proves it."""

    message_id: str
    body: str
    receipt: str
    """Names this one receive of the message. It is stale once the lease ended and somebody else received it.

    It belongs to the process that received the message: on SQS, no other one knows what was given up with it.
    """
    attempt: int
    """1 on the first receive."""
    sent_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that failed too often or could not be read; kept until someone redrives or purges it."""

    message_id: str
    body: str
    attempts: int
    reason: str
    died_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is in a queue; dead letters are not part of it."""

    visible: int = 0
    """Could be received now, expired leases included."""
    in_flight: int = 0
    """Leased to a receiver."""
    delayed: int = 0
    """Not to be received yet."""
    age_seconds: float = 0.0
    """How long ago the backend counted; more than 0 where it only promises approximate counts."""

    @property
    def total(self) -> int:
        """All that still has to be done: scale-in must look at this, not at `visible` alone (R6)."""
        return self.visible + self.in_flight + self.delayed


class Queue(Protocol):
    """One queue. Every call takes a batch, splits it as the backend needs, and may be used by many tasks at once.

    All calls raise `Throttled`, `NotAuthorized`, `NotFound` (the queue is gone) or `Unavailable`.
    """

    @property
    def name(self) -> str:
        """The name it was opened by."""

    @property
    def max_message_bytes(self) -> int:
        """The largest body, in UTF-8 bytes, that `send` accepts."""

    async def send(self, messages: Sequence[Message]) -> None:
        """Store all messages. When it returns they survive the death of every process.

        When it raises, any subset may have been stored: sending again can duplicate, never lose.

        Raises:
            ValueError: a body is larger than `max_message_bytes`, or the backend cannot carry it; nothing was sent.
        """

    async def receive(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Lease up to `limit` messages, waiting up to `wait_seconds` for the first; never waits for a second.

        SQS leases ten at most, and waits for whole seconds.

        A message whose lease ended `max_attempts` times is still delivered up to `BURIAL_ATTEMPTS` times more, with
        `attempt > max_attempts`: whoever gets it must not try it again but answer its client and `bury` it. After those
        the queue moves it to the dead letters by itself. Cancelling a waiting receive loses nothing: a lease that was
        taken at that moment runs out.
        """

    async def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Make each lease end `seconds` from now, and return those that were already lost.

        A lost lease is not renewed: its message was deleted, or is or may soon be somebody else's.
        """

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float = 0.0) -> None:
        """Give messages back untried, visible after `delay_seconds`. Stale receipts are ignored.

        The embedded backends do not count the attempt; SQS does, since it cannot do otherwise.
        """

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages whose work is done. Repeating is harmless; stale receipts are ignored."""

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move messages to the dead letters. Stale receipts are ignored. Never loses; may duplicate if interrupted.

        Raises:
            Misconfigured: somebody else made this queue, without a place for dead letters.
        """

    async def depth(self) -> Depth:
        """Count. Raises when the backend does not answer: unknown is not zero (R7)."""

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters, without changing them; on SQS, nobody else sees them for that moment."""

    async def dead_letter_count(self) -> int:
        """How many dead letters there are."""

    async def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Put these dead letters (None: all) back into the queue with a fresh attempt count; return how many."""

    async def purge_dead_letters(self, message_ids: Sequence[str] | None = None) -> int:
        """Delete these dead letters (None: all); return how many."""


class Queues(Protocol):
    """A backend that holds queues by name: what is opened once per process and handed to whoever needs queues.

    Names match ``[A-Za-z0-9_-]{1,80}`` (as on SQS); anything else raises `Misconfigured`. SQS needs some of the 80 for
    itself, and raises it for what is too long.
    """

    async def create(self, name: str, options: QueueOptions) -> Queue:
        """Open the queue, creating it when it does not exist; a second call is the same call.

        The options of an existing queue are changed to these. SQS refuses the name of a queue that was removed for a
        minute, as `Unavailable`.
        """

    async def open(self, name: str) -> Queue:
        """Open an existing queue.

        Raises:
            NotFound: there is none of this name.
        """

    async def remove(self, name: str) -> None:
        """Delete the queue with all its messages. Removing what is not there is fine."""

    async def names(self, prefix: str = "") -> list[str]:
        """The names of all queues that begin with `prefix`, sorted."""

    async def close(self) -> None:
        """Release connections, files and threads; the queues stay."""

"""Queues inside one process: for the simulator, and for a whole deployment in a single process."""

import asyncio
import contextlib
import heapq
import itertools
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from burstlens.clock import Clock
from burstlens.errors import NotFound
from burstlens.queues.base import BURIAL_ATTEMPTS, DeadLetter, Delivery, Depth, Message, QueueOptions
from burstlens.queues.names import check_name
from burstlens.queues.sizes import MAX_MESSAGE_BYTES, check_sizes


@dataclass(slots=True, eq=False)
class _Entry:
    """A message that is not yet done."""

    message_id: str
    body: str
    sent_at: float
    attempts: int = 0
    receipt: str | None = None
    """Of the last receive; it stays when the lease runs out, until somebody else receives the message."""
    due_at: float = 0.0
    """When its lease or its delay ends; means nothing while it is visible."""


@dataclass(slots=True, eq=False)
class _Receiver:
    """A receive that waits its turn."""

    limit: int
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    deliveries: list[Delivery] = field(default_factory=list)


class MemoryQueue:
    """One queue. Receivers are served in the order in which they came; a message costs O(log n) at each step."""

    def __init__(
        self, name: str, options: QueueOptions, clock: Clock, max_message_bytes: int = MAX_MESSAGE_BYTES
    ) -> None:
        self.options = options
        self._max_message_bytes = max_message_bytes
        self._name = name
        self._clock = clock
        self._numbers = itertools.count(1)
        self._visible: OrderedDict[str, _Entry] = OrderedDict()
        self._leased: dict[str, _Entry] = {}
        self._delayed: dict[str, _Entry] = {}
        self._timers: list[tuple[float, int, _Entry]] = []
        self._dead: dict[str, DeadLetter] = {}
        self._receivers: deque[_Receiver] = deque()
        self._removed = False

    @property
    def name(self) -> str:
        """The name it was opened by."""
        return self._name

    @property
    def max_message_bytes(self) -> int:
        """The largest body, in UTF-8 bytes, that `send` accepts."""
        return self._max_message_bytes

    async def send(self, messages: Sequence[Message]) -> None:
        """Store all messages."""
        check_sizes(messages, self._max_message_bytes)
        with self._changing() as now:
            for message in messages:
                entry = _Entry(str(next(self._numbers)), message.body, sent_at=now)
                self._place(entry, message.delay_seconds)

    async def receive(self, limit: int, wait_seconds: float) -> list[Delivery]:
        """Lease up to `limit` messages, waiting up to `wait_seconds` for the first."""
        deadline = self._clock.now() + wait_seconds
        receiver = _Receiver(limit)
        self._receivers.append(receiver)
        try:
            # Others get a turn even when somebody receives in a loop from a queue that is never empty.
            await asyncio.sleep(0)
            self._catch_up()
            while not receiver.deliveries and (remaining_seconds := deadline - self._clock.now()) > 0:
                receiver.woken.clear()
                await self._clock.wait(receiver.woken, self._patience_seconds(receiver, remaining_seconds))
                self._catch_up()
        except asyncio.CancelledError:
            with contextlib.suppress(NotFound):
                await self.release(receiver.deliveries)
            raise
        finally:
            self._receivers.remove(receiver)
            self._wake_first()
        return receiver.deliveries

    async def extend(self, deliveries: Sequence[Delivery], seconds: float) -> list[Delivery]:
        """Make each lease end `seconds` from now, and return those that were already lost."""
        lost = []
        with self._changing() as now:
            for delivery in deliveries:
                entry = self._leased.get(delivery.message_id)
                if entry is None or entry.receipt != delivery.receipt:
                    lost.append(delivery)
                else:
                    self._start_timer(entry, now + seconds)
        return lost

    async def release(self, deliveries: Sequence[Delivery], delay_seconds: float = 0.0) -> None:
        """Give messages back untried, visible after `delay_seconds`, to where they were in the queue."""
        with self._changing():
            for entry in self._held(deliveries[::-1]):
                self._forget(entry)
                entry.attempts -= 1
                entry.receipt = None
                self._place(entry, delay_seconds)
                if delay_seconds <= 0:
                    self._visible.move_to_end(entry.message_id, last=False)

    async def delete(self, deliveries: Sequence[Delivery]) -> None:
        """Forget messages whose work is done."""
        with self._changing():
            for entry in self._held(deliveries):
                self._forget(entry)

    async def bury(self, deliveries: Sequence[Delivery], reason: str) -> None:
        """Move messages to the dead letters."""
        with self._changing() as now:
            for entry in self._held(deliveries):
                self._forget(entry)
                self._die(entry, reason, now)

    async def depth(self) -> Depth:
        """Count."""
        with self._changing():
            return Depth(visible=len(self._visible), in_flight=len(self._leased), delayed=len(self._delayed))

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters, without changing them."""
        with self._changing():
            return list(itertools.islice(self._dead.values(), limit))

    async def dead_letter_count(self) -> int:
        """How many dead letters there are."""
        with self._changing():
            return len(self._dead)

    async def redrive(self, message_ids: Sequence[str] | None = None) -> int:
        """Put these dead letters (None: all) back into the queue with a fresh attempt count; return how many."""
        with self._changing() as now:
            letters = self._pop_dead(message_ids)
            for letter in letters:
                self._place(_Entry(letter.message_id, letter.body, sent_at=now), delay_seconds=0.0)
        return len(letters)

    async def purge_dead_letters(self, message_ids: Sequence[str] | None = None) -> int:
        """Delete these dead letters (None: all); return how many."""
        with self._changing():
            return len(self._pop_dead(message_ids))

    def mark_removed(self) -> None:
        """From now on every call raises `NotFound`, those that wait as well."""
        self._removed = True
        for receiver in self._receivers:
            receiver.woken.set()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[float]:
        """Bring the queue up to now before a change, and serve those who wait after it."""
        self._catch_up()
        yield self._clock.now()
        self._serve_receivers()

    def _catch_up(self) -> None:
        """Make visible whatever is due (delays that are over, leases that ran out), for those who wait first."""
        if self._removed:
            message = f"the queue {self._name!r} was removed"
            raise NotFound(message)
        now = self._clock.now()
        while self._timers and self._timers[0][0] <= now:
            due_at, _, entry = heapq.heappop(self._timers)
            # It may have left meanwhile, and come back from the dead letters as a new entry with the same id.
            hidden = entry is self._leased.get(entry.message_id) or entry is self._delayed.get(entry.message_id)
            if hidden and entry.due_at == due_at:
                self._forget(entry)
                self._visible[entry.message_id] = entry
        self._serve_receivers()

    def _serve_receivers(self) -> None:
        """Hand what is visible to those who wait, in the order in which they came."""
        for receiver in self._receivers:
            if not self._visible:
                break
            if not receiver.deliveries:
                self._serve(receiver)
        self._wake_first()

    def _serve(self, receiver: _Receiver) -> None:
        now = self._clock.now()
        while self._visible and len(receiver.deliveries) < receiver.limit:
            _, entry = self._visible.popitem(last=False)
            if entry.attempts >= self.options.max_attempts + BURIAL_ATTEMPTS:
                self._die(entry, f"given up after {entry.attempts} deliveries", now)
            else:
                receiver.deliveries.append(self._lease(entry, now))
        if receiver.deliveries:
            receiver.woken.set()

    def _lease(self, entry: _Entry, now: float) -> Delivery:
        entry.attempts += 1
        entry.receipt = f"{entry.message_id}.{next(self._numbers)}"
        self._leased[entry.message_id] = entry
        self._start_timer(entry, now + self.options.lease_seconds)
        return Delivery(entry.message_id, entry.body, entry.receipt, entry.attempts, entry.sent_at)

    def _patience_seconds(self, receiver: _Receiver, remaining_seconds: float) -> float:
        """How long this receiver may sleep: the first in the line watches the timers for all."""
        if self._timers and self._receivers[0] is receiver:
            return min(remaining_seconds, self._timers[0][0] - self._clock.now())
        return remaining_seconds

    def _wake_first(self) -> None:
        """Let the first in the line look at the timers again: they or it may be new."""
        if self._receivers:
            self._receivers[0].woken.set()

    def _start_timer(self, entry: _Entry, due_at: float) -> None:
        entry.due_at = due_at
        heapq.heappush(self._timers, (due_at, next(self._numbers), entry))

    def _place(self, entry: _Entry, delay_seconds: float) -> None:
        if delay_seconds > 0:
            self._delayed[entry.message_id] = entry
            self._start_timer(entry, self._clock.now() + delay_seconds)
        else:
            self._visible[entry.message_id] = entry

    def _held(self, deliveries: Sequence[Delivery]) -> Iterator[_Entry]:
        """The messages that these receipts still stand for."""
        for delivery in deliveries:
            entry = self._leased.get(delivery.message_id) or self._visible.get(delivery.message_id)
            if entry is not None and entry.receipt == delivery.receipt:
                yield entry

    def _forget(self, entry: _Entry) -> None:
        for place in (self._visible, self._leased, self._delayed):
            place.pop(entry.message_id, None)

    def _die(self, entry: _Entry, reason: str, now: float) -> None:
        self._dead[entry.message_id] = DeadLetter(entry.message_id, entry.body, entry.attempts, reason, died_at=now)

    def _pop_dead(self, message_ids: Sequence[str] | None) -> list[DeadLetter]:
        wanted = list(self._dead) if message_ids is None else dict.fromkeys(message_ids)
        return [self._dead.pop(message_id) for message_id in wanted if message_id in self._dead]


class MemoryQueues:
    """Queues by name, for as long as the process lives."""

    def __init__(self, clock: Clock, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._clock = clock
        self._max_message_bytes = max_message_bytes
        self._queues: dict[str, MemoryQueue] = {}

    async def create(self, name: str, options: QueueOptions) -> MemoryQueue:
        """Open the queue, creating it when it does not exist."""
        new = MemoryQueue(name, options, self._clock, self._max_message_bytes)
        queue = self._queues.setdefault(check_name(name), new)
        queue.options = options
        return queue

    async def open(self, name: str) -> MemoryQueue:
        """Open an existing queue."""
        try:
            return self._queues[check_name(name)]
        except KeyError:
            message = f"there is no queue {name!r}"
            raise NotFound(message) from None

    async def remove(self, name: str) -> None:
        """Delete the queue with all its messages."""
        queue = self._queues.pop(check_name(name), None)
        if queue is not None:
            queue.mark_removed()

    async def names(self, prefix: str = "") -> list[str]:
        """The names of all queues that begin with `prefix`, sorted."""
        return sorted(name for name in self._queues if name.startswith(prefix))

    async def close(self) -> None:
        """Nothing to release."""

"""The calls of the queue port as changes of a queue's tables. Each object is used once, and then holds its result."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from burstlens.queues.base import BURIAL_ATTEMPTS, Delivery, Depth, Message, QueueOptions
from burstlens.queues.sqlite.dead_letters import move_to_dead_letters
from burstlens.queues.sqlite.store import HELD, Reading, Store, Writing
from burstlens.queues.sqlite.wakeup import Bell


@dataclass
class Send(Writing):
    """Store messages."""

    messages: Sequence[Message]
    rings: ClassVar[bool] = True

    def write(self, store: Store) -> None:
        """Number them by the time, so that the order of the ids is that of sending, but never twice the same."""
        now = store.clock.now()
        (newest,) = store.sql.execute("SELECT coalesce(max(id), 0) FROM bodies").fetchone()
        numbered = list(enumerate(self.messages, max(int(now * 1e6), newest + 1)))
        store.sql.executemany("INSERT INTO bodies (id, body) VALUES (?, ?)", ((id_, m.body) for id_, m in numbered))
        store.sql.executemany(
            "INSERT INTO messages (id, sent_at, visible_at, attempts) VALUES (?, ?, ?, 0)",
            ((id_, now, now + max(0.0, m.delay_seconds)) for id_, m in numbered),
        )


@dataclass
class Lease(Writing):
    """Lease up to `limit` messages; takes the lock only when there are some."""

    limit: int
    deliveries: list[Delivery] = field(default_factory=list)
    next_due_at: float | None = None
    """When there was nothing: the end of the next lease or delay, if there is one."""
    _leased: list[tuple[int, int, int, float]] = field(default_factory=list)

    def prepare(self, store: Store) -> bool:
        """Look whether anything is visible."""
        (self.next_due_at,) = store.sql.execute("SELECT min(visible_at) FROM messages").fetchone()
        return self.next_due_at is not None and self.next_due_at <= store.clock.now()

    def write(self, store: Store) -> None:
        """Lease what is visible longest; messages that were delivered too often become dead letters on the way."""
        now = store.clock.now()
        lease_seconds, max_attempts = store.sql.execute("SELECT lease_seconds, max_attempts FROM options").fetchone()
        buried = True
        while buried:
            rows = store.sql.execute(
                "SELECT id, sent_at, attempts FROM messages WHERE visible_at <= ? ORDER BY visible_at, id LIMIT ?",
                (now, self.limit - len(self._leased)),
            ).fetchall()
            buried = False
            for id_, sent_at, attempts in rows:
                if attempts >= max_attempts + BURIAL_ATTEMPTS:
                    move_to_dead_letters(store, id_, f"given up after {attempts} deliveries")
                    buried = True
                else:
                    self._lease(store, now + lease_seconds, id_, sent_at, attempts + 1)
        (self.next_due_at,) = store.sql.execute("SELECT min(visible_at) FROM messages").fetchone()

    def finish(self, store: Store) -> None:
        """Read the bodies, after the lock was given back; one that is gone was finished on an earlier receipt."""
        for id_, receipt, attempt, sent_at in self._leased:
            row = store.sql.execute("SELECT body FROM bodies WHERE id = ?", (id_,)).fetchone()
            if row is not None:
                self.deliveries.append(Delivery(str(id_), row[0], str(receipt), attempt, sent_at))

    def _lease(self, store: Store, until: float, id_: int, sent_at: float, attempt: int) -> None:
        receipt = secrets.randbits(62)
        store.sql.execute(
            "UPDATE messages SET visible_at = ?, attempts = ?, receipt = ? WHERE id = ?", (until, attempt, receipt, id_)
        )
        self._leased.append((id_, receipt, attempt, sent_at))


@dataclass
class Extend(Writing):
    """Make leases end `seconds` from now."""

    deliveries: Sequence[Delivery]
    seconds: float
    lost: list[Delivery] = field(default_factory=list)

    def write(self, store: Store) -> None:
        """Renew those that have not ended."""
        now = store.clock.now()
        for delivery in self.deliveries:
            changed = store.sql.execute(
                f"UPDATE messages SET visible_at = ? {HELD} AND visible_at > ?",  # noqa: S608 - a constant
                (now + self.seconds, delivery.message_id, delivery.receipt, now),
            )
            if not changed.rowcount:
                self.lost.append(delivery)


@dataclass
class Release(Writing):
    """Give messages back untried."""

    deliveries: Sequence[Delivery]
    delay_seconds: float
    rings: ClassVar[bool] = True

    def write(self, store: Store) -> None:
        """Without a delay, a message goes back to where it was in the queue."""
        visible_at = store.clock.now() + self.delay_seconds if self.delay_seconds > 0 else None
        store.sql.executemany(
            "UPDATE messages SET visible_at = coalesce(?, sent_at), attempts = attempts - 1, receipt = NULL "  # noqa: S608 - a constant
            f"{HELD}",
            [(visible_at, delivery.message_id, delivery.receipt) for delivery in self.deliveries],
        )


@dataclass
class Delete(Writing):
    """Forget messages."""

    deliveries: Sequence[Delivery]

    def write(self, store: Store) -> None:
        """Delete the body only with its message."""
        for delivery in self.deliveries:
            held = (delivery.message_id, delivery.receipt)
            if store.sql.execute(f"DELETE FROM messages {HELD}", held).rowcount:  # noqa: S608 - a constant
                store.sql.execute("DELETE FROM bodies WHERE id = ?", (delivery.message_id,))


@dataclass
class CountDepth(Reading):
    """Count the messages."""

    depth: Depth = field(default_factory=Depth)

    def prepare(self, store: Store) -> bool:
        """Count all without looking at them, and look at those that are not visible."""
        total, in_flight, delayed = store.sql.execute(
            "SELECT (SELECT count(*) FROM messages), count(receipt), count(*) - count(receipt) "
            "FROM messages WHERE visible_at > ?",
            (store.clock.now(),),
        ).fetchone()
        self.depth = Depth(visible=total - in_flight - delayed, in_flight=in_flight, delayed=delayed)
        return False


@dataclass
class SetOptions:
    """Change the queue's options."""

    options: QueueOptions
    rings: ClassVar[bool] = False

    def prepare(self, store: Store) -> bool:
        """Look whether they differ: most processes create a queue that is there already."""
        row: tuple[float, int] = store.sql.execute("SELECT lease_seconds, max_attempts FROM options").fetchone()
        return row != (self.options.lease_seconds, self.options.max_attempts)

    def write(self, store: Store) -> None:
        """Write them."""
        values = (self.options.lease_seconds, self.options.max_attempts)
        store.sql.execute("UPDATE options SET lease_seconds = ?, max_attempts = ?", values)

    def finish(self, store: Store) -> None:
        """Nothing left to do."""


@dataclass
class HangBell(Reading):
    """Get the FIFO on which this process is woken."""

    bell: Bell = field(init=False)

    def prepare(self, store: Store) -> bool:
        """Make it on the first call."""
        self.bell = store.bell()
        return False

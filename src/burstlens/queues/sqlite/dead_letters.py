"""The calls of the queue port that concern dead letters, and how a message becomes one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from burstlens.queues.base import DeadLetter, Delivery
from burstlens.queues.sqlite.store import HELD, Reading, Store, Writing


@dataclass
class Bury(Writing):
    """Move messages to the dead letters."""

    deliveries: Sequence[Delivery]
    reason: str

    def write(self, store: Store) -> None:
        """Leave the bodies where they are."""
        for delivery in self.deliveries:
            held = (delivery.message_id, delivery.receipt)
            if store.sql.execute(f"SELECT 1 FROM messages {HELD}", held).fetchone():  # noqa: S608 - a constant
                move_to_dead_letters(store, int(delivery.message_id), self.reason)


@dataclass
class ReadDeadLetters(Reading):
    """Read the oldest dead letters."""

    limit: int
    letters: list[DeadLetter] = field(default_factory=list)

    def prepare(self, store: Store) -> bool:
        """Read them."""
        rows = store.sql.execute(
            "SELECT id, body, attempts, reason, died_at FROM dead_letters JOIN bodies USING (id) "
            "ORDER BY died_at, id LIMIT ?",
            (self.limit,),
        )
        self.letters = [DeadLetter(str(id_), *columns) for id_, *columns in rows]
        return False


@dataclass
class CountDeadLetters(Reading):
    """Count the dead letters."""

    count: int = 0

    def prepare(self, store: Store) -> bool:
        """Count them."""
        (self.count,) = store.sql.execute("SELECT count(*) FROM dead_letters").fetchone()
        return False


@dataclass
class Redrive(Writing):
    """Put dead letters back into the queue."""

    message_ids: Sequence[str] | None
    count: int = 0
    rings: ClassVar[bool] = True

    def write(self, store: Store) -> None:
        """Move them; they count as sent now."""
        now = store.clock.now()
        for (id_,) in _dead_ids(store, self.message_ids):
            self.count += store.sql.execute("DELETE FROM dead_letters WHERE id = ?", (id_,)).rowcount
            values = (id_, now, now)
            store.sql.execute("INSERT INTO messages (id, sent_at, visible_at, attempts) VALUES (?, ?, ?, 0)", values)


@dataclass
class Purge(Writing):
    """Delete dead letters."""

    message_ids: Sequence[str] | None
    count: int = 0

    def write(self, store: Store) -> None:
        """Delete them with their bodies."""
        for (id_,) in _dead_ids(store, self.message_ids):
            self.count += store.sql.execute("DELETE FROM dead_letters WHERE id = ?", (id_,)).rowcount
            store.sql.execute("DELETE FROM bodies WHERE id = ?", (id_,))


def move_to_dead_letters(store: Store, id_: int, reason: str) -> None:
    """Take one message out of the queue; must run in a transaction."""
    store.sql.execute(
        "INSERT INTO dead_letters (id, attempts, reason, died_at) SELECT id, attempts, ?, ? FROM messages WHERE id = ?",
        (reason, store.clock.now(), id_),
    )
    store.sql.execute("DELETE FROM messages WHERE id = ?", (id_,))


def _dead_ids(store: Store, message_ids: Sequence[str] | None) -> list[tuple[int]]:
    if message_ids is None:
        rows: list[tuple[int]] = store.sql.execute("SELECT id FROM dead_letters ORDER BY died_at, id").fetchall()
        return rows
    found = (store.sql.execute("SELECT id FROM dead_letters WHERE id = ?", (id_,)).fetchone() for id_ in message_ids)
    return [row for row in dict.fromkeys(found) if row is not None]

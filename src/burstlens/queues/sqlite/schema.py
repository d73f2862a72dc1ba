"""The file of one queue: its tables, and how it is made and opened."""

import contextlib
import sqlite3
from pathlib import Path
from typing import Literal

from burstlens.errors import Misconfigured
from burstlens.queues.base import QueueOptions

Synchronous = Literal["normal", "full"]
"""`normal` survives the death of every process, `full` also a power cut, at an fsync for each transaction."""

VERSION = 1
PAGE_BYTES = 8192
"""A compromise: 4 KiB costs 0.06 to 0.1 ms more CPU for a message of 100 KB between three processes, where 16 KiB saves
0.05 ms; in one process 16 KiB costs 0.03 to 0.06 ms more for messages of 1 to 30 KB."""
WAL_BYTES = 16 * 1024 * 1024
"""A checkpoint follows the commit that reaches this size. Pages that were used again before are then copied once.

The file itself keeps the size of the largest burst: what is deleted makes room for new messages, and is not given back.
"""
BUSY_SECONDS = 5.0
"""For SQLite's own locks. `FileLock` keeps our processes apart; these are met at recovery and by foreign programs."""

# Bodies have a table of their own, so that a lease changes a row of 40 bytes. The index has all that `depth` counts.
_TABLES = """
CREATE TABLE options (
    lease_seconds REAL NOT NULL,
    max_attempts INTEGER NOT NULL
);
CREATE TABLE messages (
    id INTEGER PRIMARY KEY,
    sent_at REAL NOT NULL,
    visible_at REAL NOT NULL,
    attempts INTEGER NOT NULL,
    receipt INTEGER
);
CREATE INDEX messages_by_time ON messages (visible_at, receipt);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    died_at REAL NOT NULL
);
CREATE TABLE bodies (
    id INTEGER PRIMARY KEY,
    body TEXT NOT NULL
);
"""


def make_file(path: Path, options: QueueOptions) -> None:
    """Make the file of an empty queue; nobody else may know of it yet."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN")
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        values = (options.lease_seconds, options.max_attempts)
        connection.execute("INSERT INTO options (lease_seconds, max_attempts) VALUES (?, ?)", values)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")


def open_file(path: Path, synchronous: Synchronous) -> sqlite3.Connection:
    """Connect to the file of a queue; it is never made here.

    Raises:
        Misconfigured: it was written by another version of this program.
        sqlite3.Error: it is missing, damaged or locked.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, timeout=BUSY_SECONDS
    )
    try:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        # Debian compiles SQLite so that deleted pages are overwritten: a good part of the CPU time of a large message.
        connection.execute("PRAGMA secure_delete = OFF")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            message = f"{path} has the format {version} of a queue; this version reads {VERSION}"
            raise Misconfigured(message)
    except Exception:
        connection.close()
        raise
    return connection

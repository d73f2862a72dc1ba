"""What SQLite and the file system report, in the errors of `burstlens.errors`."""

import sqlite3

from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, NotFound, Unavailable

_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}
_FORBIDDEN = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH}
_PRIMARY_CODE = 0xFF


def translated(queue: str, error: Exception) -> Exception:
    """The error to raise instead of this one; one that is neither SQLite's nor the file system's stays as it is."""
    if isinstance(error, BurstlensError):
        return error
    if isinstance(error, FileNotFoundError):
        return NotFound(f"there is no queue {queue!r}")
    if isinstance(error, PermissionError):
        return NotAuthorized(f"the files of the queue {queue!r} may not be used: {error}")
    if isinstance(error, OSError):
        return Unavailable(f"the queue {queue!r} does not answer: {error}")
    if isinstance(error, sqlite3.Error):
        return _from_sqlite(queue, error)
    return error


def _from_sqlite(queue: str, error: sqlite3.Error) -> BurstlensError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & _PRIMARY_CODE
    if code in _BROKEN:
        return Misconfigured(f"the file of the queue {queue!r} is damaged or not ours: {error}")
    if code in _FORBIDDEN:
        return NotAuthorized(f"the file of the queue {queue!r} may not be written: {error}")
    if code == sqlite3.SQLITE_FULL:
        return Unavailable(f"the queue {queue!r} takes no more: the disk is full")
    return Unavailable(f"the queue {queue!r} does not answer: {error}")

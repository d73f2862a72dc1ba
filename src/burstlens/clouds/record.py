"""What is kept on disk of one local instance: a folder that outlives every process, and a lock that does not.

A record is born whole, by a rename, with its lock already held. The lock passes to the instance's process, so the
instance is alive exactly as long as somebody holds the lock: no pid has to be trusted, and it does not matter who died,
who reaps, or how often the autoscaler was started in between.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from burstlens.clouds.base import Instance, State
from burstlens.clouds.process import Leader
from burstlens.errors import Unavailable

_DRAFT = "."
_RECORD, _LOCK, _ENDING, _FAULT = "record.json", "lock", "ending", "fault"
_IDENTITY, _LAUNCHED = "process", "launched"
"""Who the process is, as written down by itself and by its launcher: one of them may die before it has done so."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What an instance is born with."""

    id: str
    name: str
    fleet: str
    pool: str
    token: str
    """Of the launch call that made it."""
    launched_at: float
    """Seconds since the epoch."""
    log_offset: int
    """Where its part of the log begins, in bytes."""


@dataclass(frozen=True, slots=True)
class Record:
    """One instance's folder. All calls read the disk as it is now; a record that is gone has ended."""

    path: Path
    tags: Tags

    @property
    def identity(self) -> Path:
        """The file in which the process writes down who it is."""
        return self.path / _IDENTITY

    @property
    def is_alive(self) -> bool:
        """Whether a process of this instance runs, or is about to."""
        return self._is_locked() or ((leader := self.leader()) is not None and leader.is_alive())

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to drain or to end."""
        return (self.path / _ENDING).exists()

    @property
    def fault(self) -> str:
        """Why it failed; empty if it did not."""
        try:
            return (self.path / _FAULT).read_text(encoding="utf-8")
        except FileNotFoundError:
            return ""

    def leader(self) -> Leader | None:
        """Its process; None while nobody has written down who it is."""
        for path in (self.identity, self.path / _LAUNCHED):
            with contextlib.suppress(FileNotFoundError, ValueError):
                return Leader.parse(path.read_text(encoding="utf-8", errors="replace"))
        return None

    def note_launched(self, stat: str) -> None:
        """Write down who the process is, before it has come to do so itself."""
        self._write(_LAUNCHED, stat)

    def mark_ending(self) -> None:
        """Remember that it was asked to end, so that a restarted autoscaler knows."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / _ENDING).touch()

    def mark_failed(self, fault: str) -> None:
        """Remember why it failed, until it is terminated."""
        self._write(_FAULT, fault)

    def retire(self, ended: Path) -> None:
        """Move it to the ended ones, where only its token is looked at."""
        ended.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(ended / self.tags.id)

    def discard(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def state(self) -> State:
        """As the port defines it."""
        if not self.is_alive:
            return State.FAILED if self.fault else State.TERMINATED
        if self.is_ending:
            return State.DRAINING
        return State.RUNNING if self.leader() else State.PENDING

    def instance(self, state: State) -> Instance:
        """The record as the port's value."""
        return Instance(
            id=self.tags.id,
            name=self.tags.name,
            pool=self.tags.pool,
            state=state,
            launched_at=self.tags.launched_at,
            fault=self.fault if state is State.FAILED else "",
        )

    def _write(self, name: str, text: str) -> None:
        draft = self.path / f"{_DRAFT}{name}"
        draft.write_text(text, encoding="utf-8")
        draft.rename(self.path / name)

    def _is_locked(self) -> bool:
        try:
            descriptor = os.open(self.path / _LOCK, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that two who look at the same time do not take each other for the instance.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


@contextlib.contextmanager
def birth(folder: Path, tags: Tags) -> Iterator[tuple[Record, int]]:
    """Create a record; inside, its lock is held by the descriptor that is yielded, to be passed to its process.

    Whoever dies inside without having passed it leaves a record that counts as ended.
    """
    draft = folder / f"{_DRAFT}{tags.id}"
    draft.mkdir(parents=True)
    (draft / _RECORD).write_text(json.dumps(asdict(tags)), encoding="utf-8")
    descriptor = os.open(draft / _LOCK, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield Record(draft.rename(folder / tags.id), tags), descriptor
    finally:
        os.close(descriptor)


def find(folder: Path, instance_id: str) -> Record | None:
    """The record of this id; None if there is none."""
    return _read(folder / instance_id) if instance_id.isalnum() else None


def records(folder: Path) -> list[Record]:
    """Every record of the folder, oldest first.

    Raises:
        Unavailable: one of them cannot be read, so the list would not be complete.
    """
    try:
        paths = [path for path in folder.iterdir() if not path.name.startswith(_DRAFT)]
    except FileNotFoundError:
        return []
    found = [record for path in paths if (record := _read(path)) is not None]
    return sorted(found, key=lambda record: (record.tags.launched_at, record.tags.name))


def remove_drafts(folder: Path) -> None:
    """Delete what launches that died half way left. Only while nobody launches."""
    for path in folder.glob(f"{_DRAFT}*"):
        shutil.rmtree(path, ignore_errors=True)


def prune(ended: Path, keep: int) -> None:
    """Delete all but the youngest `keep` ended records."""
    for record in records(ended)[:-keep]:
        record.discard()


def _read(path: Path) -> Record | None:
    try:
        return Record(path, Tags(**json.loads((path / _RECORD).read_text(encoding="utf-8"))))
    except (FileNotFoundError, NotADirectoryError):
        return None  # it ended a moment ago
    except (OSError, ValueError, TypeError) as error:
        message = f"{path} cannot be read, so the instances are not known: {error}"
        raise Unavailable(message) from error

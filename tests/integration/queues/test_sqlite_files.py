"""The files of SQLite queues: what is on the disk, and what happens when the disk does not play along."""

import asyncio
import fcntl
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burstlens.clock import SystemClock
from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.queues.base import Depth, Message, QueueOptions
from burstlens.queues.sqlite.queues import SqliteQueue, SqliteQueues
from burstlens.queues.sqlite.schema import PAGE_BYTES, WAL_BYTES

pytestmark = pytest.mark.anyio

NAME = "requests"
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24


@pytest.fixture
async def queues(tmp_path: Path) -> AsyncIterator[SqliteQueues]:
    queues = SqliteQueues(tmp_path, SystemClock(), patience_seconds=0.2)
    yield queues
    await queues.close()


@pytest.fixture
async def queue(queues: SqliteQueues) -> SqliteQueue:
    return await queues.create(NAME, QueueOptions())


def database(folder: Path) -> Path:
    (path,) = (folder / NAME).glob("*.db")
    return path


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def wal(folder: Path) -> Path:
    path = database(folder)
    return path.with_name(f"{path.name}-wal")


def commits(folder: Path) -> int:
    """Transactions in a WAL that was not used again yet: frames that hold a size of the database."""
    frames = wal(folder).read_bytes()[_WAL_HEADER_BYTES:]
    size = _FRAME_HEADER_BYTES + PAGE_BYTES
    return sum(frames[start + 4 : start + 8] != b"\0\0\0\0" for start in range(0, len(frames), size))


async def test_sends_that_come_together_share_a_transaction(queue: SqliteQueue, tmp_path: Path) -> None:
    await queue.send([Message("first")])
    before = commits(tmp_path)
    await asyncio.gather(*(queue.send([Message(str(number))]) for number in range(100)))
    assert 1 <= commits(tmp_path) - before <= 5
    assert (await queue.depth()).visible == 101


async def test_looking_into_an_empty_queue_writes_nothing(queue: SqliteQueue, tmp_path: Path) -> None:
    await queue.send([Message("m")])
    await queue.receive(1, wait_seconds=0)
    before = commits(tmp_path)
    for _ in range(5):
        assert await queue.receive(1, wait_seconds=0) == []
        await queue.depth()
    assert commits(tmp_path) == before


async def test_a_drained_burst_leaves_its_space_to_the_next_one(queue: SqliteQueue, tmp_path: Path) -> None:
    sizes = []
    for _ in range(4):
        for _ in range(10):
            await queue.send([Message("x" * 130_000)] * 25)
        while deliveries := await queue.receive(10, wait_seconds=0):
            await queue.delete(deliveries)
        sizes.append(database(tmp_path).stat().st_size)
        assert wal(tmp_path).stat().st_size < 2 * WAL_BYTES + 25 * 140_000
    assert max(sizes[1:]) < 1.1 * 250 * 134_000


async def test_a_wal_that_one_reader_made_grow_shrinks_when_it_has_ended(queue: SqliteQueue, tmp_path: Path) -> None:
    reader = sqlite3.connect(database(tmp_path), isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM messages").fetchone()
    for _ in range(5):
        await queue.send([Message("x" * 1_000_000)] * 12)
    assert wal(tmp_path).stat().st_size > 3 * WAL_BYTES
    reader.close()
    for _ in range(2):
        await queue.send([Message("x" * 1_000_000)] * 12)
    assert wal(tmp_path).stat().st_size < 2 * WAL_BYTES


def read_over_and_over(path: Path, first_pause_seconds: float, stop: threading.Event) -> None:
    """Hold a view of the queue for a moment, again and again; two of these overlap for ever."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    stop.wait(first_pause_seconds)
    while not stop.is_set():
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM messages").fetchone()
        stop.wait(0.04)
        connection.execute("COMMIT")
    connection.close()


async def test_readers_that_overlap_for_ever_do_not_make_the_wal_grow_for_ever(
    queue: SqliteQueue, tmp_path: Path
) -> None:
    stop = threading.Event()
    readers = [
        threading.Thread(target=read_over_and_over, args=(database(tmp_path), pause_seconds, stop))
        for pause_seconds in (0, 0.02)
    ]
    for reader in readers:
        reader.start()
    try:
        for _ in range(16):
            await queue.send([Message("x" * 1_000_000)] * 12)
            assert wal(tmp_path).stat().st_size < 6 * WAL_BYTES
    finally:
        stop.set()
        for reader in readers:
            reader.join()


async def test_a_removed_queue_takes_nothing_from_a_new_one_of_its_name(queues: SqliteQueues, tmp_path: Path) -> None:
    others = SqliteQueues(tmp_path, SystemClock())
    await queues.create(NAME, QueueOptions())
    old = await others.open(NAME)
    await queues.remove(NAME)
    new = await queues.create(NAME, QueueOptions())
    await new.send([Message("m")])
    with pytest.raises(NotFound):
        await old.send([Message("lost")])
    await others.close()  # SQLite's last connection deletes the WAL by its path
    assert wal(tmp_path).stat().st_size > 0
    thirds = SqliteQueues(tmp_path, SystemClock())
    assert await (await thirds.open(NAME)).depth() == Depth(visible=1)
    await thirds.close()


async def test_removing_while_others_create_and_send_leaves_nothing_half_made(tmp_path: Path) -> None:
    makers = [SqliteQueues(tmp_path, SystemClock()) for _ in range(3)]

    async def make(queues: SqliteQueues) -> int:
        sent = 0
        for _ in range(15):
            try:
                await (await queues.create(NAME, QueueOptions())).send([Message("m")])
            except NotFound:  # removed a moment ago
                continue
            sent += 1
        return sent

    async def remove(queues: SqliteQueues) -> int:
        for _ in range(15):
            await queues.remove(NAME)
            await asyncio.sleep(0.005)
        return 1

    assert all(await asyncio.gather(make(makers[0]), make(makers[1]), remove(makers[2])))
    await makers[2].remove(NAME)
    assert await makers[0].names() == []
    assert names_in(tmp_path) == [".lock"]
    for queues in makers:
        await queues.close()


async def test_what_a_killed_creator_left_is_cleared_away(queues: SqliteQueues, tmp_path: Path) -> None:
    half_made = tmp_path / ".garbage-0123456789abcdef"
    (half_made / "wake").mkdir(parents=True)
    (half_made / "x.db").touch()
    assert await queues.names() == []
    await queues.create(NAME, QueueOptions())
    assert not half_made.exists()


async def test_a_damaged_file_is_for_the_operator(queues: SqliteQueues, tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    (tmp_path / NAME / "x.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(Misconfigured, match=NAME):
        await queues.open(NAME)


async def test_a_file_of_another_version_is_for_the_operator(queues: SqliteQueues, tmp_path: Path) -> None:
    await queues.create("other", QueueOptions())
    await queues.create(NAME, QueueOptions())
    await queues.close()
    connection = sqlite3.connect(database(tmp_path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    again = SqliteQueues(tmp_path, SystemClock())
    with pytest.raises(Misconfigured, match="99"):
        await again.open(NAME)
    await again.close()


async def test_a_lock_that_is_never_given_back_is_unavailable(queue: SqliteQueue, tmp_path: Path) -> None:
    with (tmp_path / NAME / "lock").open("rb+") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(Unavailable, match="another process"):
            await queue.send([Message("m")])
        assert await queue.depth() == Depth()
        fcntl.flock(holder, fcntl.LOCK_UN)
    await queue.send([Message("m")])
    assert await queue.depth() == Depth(visible=1)


async def test_closed_queues_say_so(queues: SqliteQueues, queue: SqliteQueue) -> None:
    waiting = asyncio.create_task(queue.receive(1, wait_seconds=30))
    await asyncio.sleep(0.05)
    await queues.close()
    for call in (waiting, queue.send([Message("m")]), queues.open(NAME), queues.create(NAME, QueueOptions())):
        with pytest.raises(Unavailable, match="closed"):
            await call

"""The local cloud: an instance is a worker process of this machine, in a session of its own."""

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from burstlens.clock import Clock
from burstlens.clouds.base import Instance, Pool, Spec, State
from burstlens.clouds.instance_log import InstanceLog
from burstlens.clouds.process import Leader, start, stat_of
from burstlens.clouds.record import Record, Tags, birth, find, prune, records, remove_drafts
from burstlens.errors import CapacityUnavailable, QuotaExceeded, Unavailable

_INHERITED = frozenset(
    {"HOME", "LANG", "PATH", "TMPDIR", "TZ", "USER", "LD_LIBRARY_PATH", "PYTHONPATH"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "NO_PROXY"}
)
_INHERITED_PREFIXES = ("LC_", "XDG_", "AWS_", "HF_", "CUDA_", "NVIDIA_", "BURSTLENS_CACHE", "BURSTLENS_LOG_")
"""A local worker acts as the user who runs the autoscaler; all else that it needs is in its `Spec`."""
_ENDED_KEPT = 100
_NO_MORE_PROCESSES = frozenset({errno.EAGAIN, errno.ENOMEM})

_T = TypeVar("_T")


class LocalCloud:
    """Worker processes as instances, found again by any later `LocalCloud` on the same folder.

    ``folder/instances`` holds a record of each instance, ``folder/ended`` the last ones that ended, ``folder/logs``
    what each name wrote. A process that ends with an exit code other than 0, without having been asked to end, is
    `failed` until it is terminated, if the cloud that started it is still there to see that; otherwise it is just gone.

    `launch` also keeps `pool.cap` by itself, whoever asks: with `QuotaExceeded` once nothing more may be born (R2).
    """

    name = "local"

    def __init__(self, folder: Path, clock: Clock, command: Sequence[str]) -> None:
        """Keep the books in `folder`; `command` starts an instance's worker."""
        self._folder = folder
        self._instances = folder / "instances"
        self._ended = folder / "ended"
        self._logs = folder / "logs"
        self._clock = clock
        self._command = tuple(command)
        self._mutex = threading.Lock()
        self._children: dict[str, Leader] = {}
        self._exit_codes: dict[str, int] = {}

    async def instances(self, fleet: str) -> list[Instance]:
        """See the port."""
        return await self._in_thread(lambda: self._list(fleet))

    async def launch(self, pool: Pool, names: Sequence[str], spec: Spec, *, fleet: str, token: str) -> list[Instance]:
        """See the port. A name that another instance of the fleet has is not launched."""
        return await self._in_thread(lambda: self._launch(pool, names, spec, fleet, token))

    async def drain(self, ids: Sequence[str]) -> None:
        """See the port. The leader of each process group gets SIGTERM."""
        await self._in_thread(lambda: self._each(ids, self._drain_one))

    async def terminate(self, ids: Sequence[str]) -> None:
        """See the port. Every process of each group is killed."""
        await self._in_thread(lambda: self._each(ids, self._terminate_one))

    async def close(self) -> None:
        """See the port."""
        await self._in_thread(self._reap)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        def exclusive() -> _T:
            with self._mutex:
                return work()

        try:
            return await asyncio.to_thread(exclusive)
        except OSError as error:
            message = f"the local cloud in {self._folder} does not work: {error}"
            raise Unavailable(message) from error

    def _list(self, fleet: str) -> list[Instance]:
        self._settle()
        states = ((record, record.state()) for record in records(self._instances) if record.tags.fleet == fleet)
        return [record.instance(state) for record, state in states if state is not State.TERMINATED]

    def _launch(self, pool: Pool, names: Sequence[str], spec: Spec, fleet: str, token: str) -> list[Instance]:
        with self._only_launch():
            self._settle()
            self._sweep()
            there = [record for record in records(self._instances) if record.tags.fleet == fleet]
            ended = [record for record in records(self._ended) if record.tags.fleet == fleet]
            earlier = {record.tags.name: record for record in (*ended, *there) if record.tags.token == token}
            used = {record.tags.name for record in there} | earlier.keys()
            new = [name for name in dict.fromkeys(names) if name not in used]
            places = max(0, pool.cap - sum(record.tags.pool == pool.name for record in there))
            again = [earlier[name].instance(earlier[name].state()) for name in names if name in earlier]
            born = again + self._start_all([self._tags(name, pool, fleet, token) for name in new[:places]], spec)
            if not born and len(new) > places:
                message = f"pool {pool.name} already has {pool.cap} instances, which is its cap"
                raise QuotaExceeded(message)
            return born

    def _start_all(self, tags: Sequence[Tags], spec: Spec) -> list[Instance]:
        """Start one after the other until one cannot be started; raise only if that is the first."""
        born: list[Instance] = []
        for one in tags:
            try:
                born.append(self._start(one, spec))
            except OSError as error:
                if born:
                    break
                if error.errno not in _NO_MORE_PROCESSES:
                    raise
                message = f"this machine cannot start another process: {error}"
                raise CapacityUnavailable(message) from error
        return born

    def _tags(self, name: str, pool: Pool, fleet: str, token: str) -> Tags:
        return Tags(
            id=f"i{secrets.token_hex(8)}",
            name=name,
            fleet=fleet,
            pool=pool.name,
            token=token,
            launched_at=self._clock.now(),
            log_offset=self._log(name).begin(),
        )

    def _start(self, tags: Tags, spec: Spec) -> Instance:
        environment = _inherited(os.environ) | dict(spec.environment)
        environment |= {
            "BURSTLENS_FLEET": tags.fleet,
            "BURSTLENS_INSTANCE": tags.name,
            "BURSTLENS_INSTANCE_ID": tags.id,
            "BURSTLENS_POOL": tags.pool,
        }
        with birth(self._instances, tags) as (record, lock), self._log(tags.name).path.open("ab") as log:
            pid = start(
                self._command,
                environment,
                identity=record.identity,
                log_descriptor=log.fileno(),
                lock_descriptor=lock,
            )
            stat = stat_of(pid)
            if stat is not None:
                self._children[tags.id] = Leader.parse(stat)
                record.note_launched(stat)
            return record.instance(record.state())

    def _log(self, name: str) -> InstanceLog:
        return InstanceLog(self._logs / f"{name}.log")

    def _each(self, ids: Sequence[str], act: Callable[[Record], None]) -> None:
        for instance_id in dict.fromkeys(ids):
            record = find(self._instances, instance_id)
            if record is not None:
                act(record)

    def _drain_one(self, record: Record) -> None:
        if record.is_alive:
            # Signal, then mark: dying in between leaves one that drains and looks as if it ran, which is harmless. The
            # other way round leaves one that works on and is terminated as overdue while it is busy (R4).
            self._leader(record).ask(signal.SIGTERM)
            record.mark_ending()

    def _terminate_one(self, record: Record) -> None:
        alive = record.is_alive
        record.mark_ending()
        if alive or record.leader() is not None:
            self._leader(record).kill_group()
        if not alive:
            record.retire(self._ended)

    def _leader(self, record: Record) -> Leader:
        leader = self._children.get(record.tags.id) or record.leader()
        if leader is None:
            message = f"{record.tags.name} has no known process yet; ask again"
            raise Unavailable(message)
        return leader

    def _settle(self) -> None:
        """Reap own children and keep why each of them ended."""
        self._reap()
        for instance_id, code in list(self._exit_codes.items()):
            record = find(self._instances, instance_id)
            if record is not None and record.is_alive:
                continue  # a process of its group goes on
            del self._exit_codes[instance_id]
            if record is None:
                continue
            if code == 0 or record.is_ending:
                record.retire(self._ended)
            else:
                record.mark_failed(_fault(code, self._log(record.tags.name).last_line(record.tags.log_offset)))

    def _reap(self) -> None:
        for instance_id, leader in list(self._children.items()):
            try:
                pid, status = os.waitpid(leader.pid, os.WNOHANG)
            except ChildProcessError:
                del self._children[instance_id]  # somebody else reaped it, so how it ended is not known
                continue
            if pid:
                del self._children[instance_id]
                self._exit_codes[instance_id] = os.waitstatus_to_exitcode(status)

    def _sweep(self) -> None:
        """Put away what ended unseen. Only while nobody else launches."""
        remove_drafts(self._instances)
        for record in records(self._instances):
            if record.state() is State.TERMINATED and record.tags.id not in self._exit_codes:
                if record.leader() is None:
                    record.discard()  # whoever launched it died first, so it was never born
                else:
                    record.retire(self._ended)
        prune(self._ended, _ENDED_KEPT)

    @contextlib.contextmanager
    def _only_launch(self) -> Iterator[None]:
        """One launch at a time on this folder, whatever process asks: names are unique, and the cap holds."""
        self._instances.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "launch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value for name, value in environment.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }


def _fault(code: int, last_line: str) -> str:
    """How a process ended, with the last line that it wrote."""
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return f"{how}: {last_line}" if last_line else how

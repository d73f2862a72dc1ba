"""The fleet's books, kept in the fleet bucket: restarts and takeovers do not forget what was spent (R16)."""

import re
from collections.abc import Iterable, Mapping

from pydantic import TypeAdapter, ValidationError

from burstlens.buckets import Bucket
from burstlens.clouds.base import Instance, Pool
from burstlens.errors import Misconfigured
from burstlens.scaling.budget import Books

_FOLDER = "ledger"
_KEY = re.compile(rf"{_FOLDER}/([0-9]{{20}})\.json")
_SAVE_SECONDS = 60.0
_BOOKS: TypeAdapter[Books] = TypeAdapter(Books)


class Ledger:
    """One object for each term of the lease: what an owner of the past writes late, nobody reads.

    It is small: money by minute for a day, and the instances that there are. It is written when an instance came or
    went, and every minute.
    """

    def __init__(self, fleet_bucket: Bucket | None = None) -> None:
        """Without a bucket the books are kept in memory only, for a fleet that does not outlive its autoscaler."""
        self._bucket = fleet_bucket
        self._term: int | None = None
        self._number = 0
        self._old: set[int] = set()
        self._books = Books()
        self._saved = Books()

    async def keep(self, now: float, instances: Iterable[Instance], pools: Mapping[str, Pool], term: int = 0) -> Books:
        """Enter what there is now, as `Books.after` has it, and return the books.

        What was entered is not lost when it cannot be written: the next call writes it.

        Args:
            now: seconds since the epoch.
            instances: all that exist.
            pools: by name.
            term: of the lease; a new one begins with what its predecessor has written.

        Raises:
            NotAuthorized: as Unavailable, the bucket refuses.
            Unavailable: the bucket does not answer.
            Misconfigured: what it holds are no books.
        """
        if term != self._term:
            await self._load(term)
        self._books = self._books.after(now, instances, pools)
        if self._books.accounts.keys() != self._saved.accounts.keys() or now - self._saved.at >= _SAVE_SECONDS:
            await self._save()
        return self._books

    async def _load(self, term: int) -> None:
        if self._bucket is not None:
            self._old = await _numbers(self._bucket)
            latest = max(self._old, default=0)
            self._books = await _read(self._bucket, latest) if self._old else Books()
            self._saved = Books()  # so that this term's are written at once
            # Terms only grow, unless somebody emptied the folder of the lease.
            self._number = max(term, latest)
        self._term = term

    async def _save(self) -> None:
        if self._bucket is not None:
            await self._bucket.put(_key(self._number), _BOOKS.dump_json(self._books))
            for number in self._old - {self._number}:
                await self._bucket.delete(_key(number))
            self._old = set()
        self._saved = self._books


async def _read(bucket: Bucket, number: int) -> Books:
    key = _key(number)
    try:
        return _BOOKS.validate_json(await bucket.get(key))
    except ValidationError:
        message = f"{key} in the fleet bucket is damaged, so what was spent is not known: delete it to begin anew"
        raise Misconfigured(message) from None


async def _numbers(bucket: Bucket) -> set[int]:
    return {int(match[1]) async for key in bucket.list_keys(_FOLDER) if (match := _KEY.fullmatch(key))}


def _key(number: int) -> str:
    return f"{_FOLDER}/{number:020d}.json"

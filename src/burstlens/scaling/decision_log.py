"""The decisions of the autoscaler, kept in the fleet bucket: objects cannot be appended to, so they are segments.

A segment is one object of JSON lines that one autoscaler writes anew, whole, when its last lines have changed. Its name
begins with the moment of its first line, so that names sort by time, and ends at random, so that two autoscalers never
write the same one. A write without an answer is repeated by the next one; one that is cut off leaves the segment as it
was. A crash loses what came since the last write: a few seconds of changes or, of a decision that only went on to hold,
up to a minute of how long it held.
"""

import asyncio
import re
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from burstlens.buckets import Bucket
from burstlens.clock import Clock
from burstlens.errors import NotFound
from burstlens.messages import utc
from burstlens.scaling.decision import Decision

_FOLDER = "decisions"
_KEY = re.compile(rf"{_FOLDER}/\d{{8}}T\d{{6}}\.\d{{6}}Z-[0-9a-f]{{8}}\.jsonl")
_CHANGE_SECONDS = 5.0
"""Between two writes of changes: the default tick. A fleet that never rests costs 2.60 dollars a month (518,000 PUTs on
S3, at 0.005 for 1,000)."""
_HELD_SECONDS = 60.0
"""Between two writes that only say how long the last decision has held: an idle fleet costs a twelfth of that."""
_SILENT_SECONDS = 120.0
"""Twice the longest tick. After a longer silence nobody knows what held, and another autoscaler may have decided: a new
segment begins, so that old segments never grow new lines."""
_SEGMENT_SECONDS = 900.0
"""The first line that comes later than this begins a new segment."""
_SEGMENT_BYTES = 65_536
"""The same when it is this large: it is written whole each time."""
_KEPT_SECONDS = 7 * 86_400.0
"""A week, so that a day can be compared with the same one a week ago."""
_KEPT_SEGMENTS = 1000
"""One page of S3's listing, and 64 MiB when all are full."""
_UNWRITTEN_SEGMENTS = 16
"""A bucket that does not answer for hours must not fill the memory: the oldest of more than this go."""
_AT_ONCE = 16
"""Segments read at the same time, and the most that one new segment deletes."""


@dataclass(slots=True, eq=False)
class _Segment:
    """What one object holds, or is to hold with the next write."""

    key: str
    began_at: float
    last: Decision
    closed: list[bytes] = field(default_factory=list)
    """The lines before the last, which is not done as long as it holds."""
    size: int = 0
    """Of `closed`, in bytes."""
    is_new: bool = True
    """Whether it was never written."""

    def add(self, decision: Decision) -> None:
        line = _line(self.last)
        self.closed.append(line)
        self.size += len(line)
        self.last = decision

    @property
    def data(self) -> bytes:
        return b"".join((*self.closed, _line(self.last)))


class DecisionLog:
    """Writes one autoscaler's decisions, one call at a time, and reads everybody's.

    All calls raise `NotAuthorized` or `Unavailable` when the bucket does. What could not be written goes with the next
    write.
    """

    def __init__(self, fleet_bucket: Bucket, clock: Clock) -> None:
        self._bucket = fleet_bucket
        self._clock = clock
        self._segment: _Segment | None = None
        self._unwritten: deque[_Segment] = deque(maxlen=_UNWRITTEN_SEGMENTS)
        """The oldest first."""
        self._appended_at = self._written_at = float("-inf")
        self._changed = False

    async def append(self, decision: Decision) -> None:
        """Take in one tick's decision, and write what is due.

        One that is equal to the last is no line of its own: it moves the `until` of the last.
        """
        now = self._clock.now()
        self._take_in(decision, now)
        self._appended_at = now
        # After a clock was set back nobody knows how long it has been.
        if not 0 <= now - self._written_at < (_CHANGE_SECONDS if self._changed else _HELD_SECONDS):
            await self.flush()

    async def flush(self) -> None:
        """Write what has not been written yet; call it before the process ends."""
        # Also when it fails: a bucket that does not answer is left alone for a while.
        self._written_at = self._clock.now()
        while self._unwritten:
            segment = self._unwritten[0]
            await self._bucket.put(segment.key, segment.data)
            self._unwritten.popleft()
            if segment.is_new:
                segment.is_new = False
                await self._prune()
        self._changed = False

    async def last(self, count: int) -> list[Decision]:
        """The last `count` decisions of all autoscalers, oldest first. Lines that are none are left out."""
        keys = sorted(await self._keys(), reverse=True)
        found: list[Decision] = []
        for begin in range(0, len(keys), _AT_ONCE):
            # All of a batch, also when the first has enough: the segments of two overlap while one takes over.
            for decisions in await asyncio.gather(*map(self._read, keys[begin : begin + _AT_ONCE])):
                found += decisions
            if len(found) >= count:
                break
        return sorted(found, key=lambda decision: decision.at)[-count:] if count else []

    def _take_in(self, decision: Decision, now: float) -> None:
        segment, silent = self._segment, now - self._appended_at > _SILENT_SECONDS
        if segment is None or silent:
            self._begin(decision, now)
        elif decision == segment.last:
            segment.last = replace(segment.last, until=decision.at)
            self._due(segment)
        elif segment.size >= _SEGMENT_BYTES or now - segment.began_at > _SEGMENT_SECONDS:
            self._begin(decision, now)
        else:
            segment.add(decision)
            self._due(segment)
            self._changed = True

    def _begin(self, decision: Decision, now: float) -> None:
        key = f"{_FOLDER}/{utc(now):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(4)}.jsonl"
        self._segment = _Segment(key, now, decision)
        self._due(self._segment)
        self._changed = True

    def _due(self, segment: _Segment) -> None:
        if segment not in self._unwritten:
            self._unwritten.append(segment)

    async def _keys(self) -> list[str]:
        """Of all segments."""
        return [key async for key in self._bucket.list_keys(_FOLDER) if _KEY.fullmatch(key)]

    async def _prune(self) -> None:
        expired = _expired(sorted(await self._keys()), self._clock.now())
        await asyncio.gather(*map(self._bucket.delete, expired[:_AT_ONCE]))

    async def _read(self, key: str) -> list[Decision]:
        try:
            return decisions_in(await self._bucket.get(key))
        except NotFound:  # pruned meanwhile
            return []


def decisions_in(data: bytes) -> list[Decision]:
    """The decisions among these lines; what is none, as the end of a file that was cut off, is left out."""
    found = []
    for line in data.split(b"\n"):
        try:
            found.append(Decision.from_json(line))
        except ValueError:
            continue
    return found


def _expired(keys: Sequence[str], now: float) -> list[str]:
    """Of these segments, the oldest first, those that are too old or too many.

    One is over when the next begins. The last may have held for weeks, and stays.
    """
    limit = f"{_FOLDER}/{utc(now - _KEPT_SECONDS):%Y%m%dT%H%M%S}"
    surplus = max(0, len(keys) - _KEPT_SEGMENTS)
    return [key for index, (key, following) in enumerate(pairwise(keys)) if following < limit or index < surplus]


def _line(decision: Decision) -> bytes:
    return decision.to_json().encode() + b"\n"

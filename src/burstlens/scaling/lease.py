"""One autoscaler for each fleet at a time: a lease of objects in the fleet bucket.

Each owner has a *term*: an object whose key is its number, made by a conditional create, which every kind of bucket
has (a conditional update not every one: files have none). The highest term owns the fleet, and its number is the
fencing token: what an owner keeps in the bucket is keyed by it, so that what a former owner writes late is read by
nobody. An owner shows that it lives by overwriting its own term; whoever waits looks at it, and makes the next term
once it was the same for `Rhythm.patience_seconds` by its own count. Nobody reads another machine's clock.

An owner acts only for `Rhythm.valid_seconds` from when it began its last renewal, which is less; a renewal that ends
later than that is void, and the term is given up. So two never act at once while their clocks run about equally fast,
however long any call takes; what a process does that stops between its look at the clock and its act is in
docs/decisions/0015-autoscaler-lease.md.
"""

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from burstlens.buckets import Bucket
from burstlens.clock import Clock
from burstlens.errors import BurstlensError
from burstlens.scaling.terms import Record, Terms

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often owners renew and others look: who takes over does so within 30 s of a crash."""

    renew_seconds: float = 4.0
    valid_seconds: float = 15.0
    """For so long an owner acts without another renewal: two of them may fail."""
    look_seconds: float = 2.0
    patience_seconds: float = 20.0
    """The margin over `valid_seconds` is for clocks that run at different speeds."""
    answer_seconds: float = 10.0
    """A bucket that takes longer for one call does not answer."""


class Authority(Protocol):
    """Whether this autoscaler may act."""

    @property
    def holds(self) -> bool:
        """Whether it may act now; ask before each act."""

    @property
    def term(self) -> int:
        """The fencing token: higher for each owner than for those before."""

    async def held(self) -> None:
        """Return once it may act."""


class Sole:
    """The authority of an autoscaler that is known to be the only one, such as a simulated one."""

    holds = True
    term = 0

    async def held(self) -> None:
        """Return at once."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """What a standby sees of the owner."""

    term: int = 0
    content: bytes = b""
    unchanged_seconds: float = 0.0
    """Counted in looks, so that neither a clock that is set nor a standby that was stopped brings it forward."""

    def after(self, seen: "_Watch", seconds: float) -> "_Watch":
        """What is known after another look, so many seconds after the last."""
        same = (seen.term, seen.content) == (self.term, self.content)
        return replace(self, unchanged_seconds=self.unchanged_seconds + seconds) if same else seen


class Lease:
    """The right to act for one fleet. All that goes wrong is logged, and a reason not to hold it."""

    def __init__(
        self,
        fleet_bucket: Bucket,
        clock: Clock,
        who: str,
        seat: Callable[[], str] = str,
        rhythm: Rhythm | None = None,
    ) -> None:
        """`who` tells people which process this is; `seat` is asked again and again, see `AutoscalerLock.seat`."""
        self._clock = clock
        self._seat = seat
        self._rhythm = rhythm or Rhythm()
        self._terms = Terms(fleet_bucket, clock, self._rhythm.answer_seconds)
        self._mine = Record(owner=secrets.token_hex(8), who=who)
        self._term = 0
        self._valid_from: float | None = None
        self._watched = _Watch()
        self._rival = ""
        self._trouble = ""
        self._gained = asyncio.Event()
        self.errors: Counter[str] = Counter()
        """How often something went wrong, by kind of error."""

    @property
    def holds(self) -> bool:
        """Whether this autoscaler may act now. A clock that was set back is no longer a witness."""
        began, now = self._valid_from, self._clock.now()
        return began is not None and began <= now < began + self._rhythm.valid_seconds

    @property
    def term(self) -> int:
        """The term that it has, or had last; 0 before the first."""
        return self._term

    @property
    def was_last(self) -> bool:
        """Whether this one had the lease, and nobody is known to have had it since."""
        return bool(self._term) and not self._rival

    async def held(self) -> None:
        """Return once it may act."""
        while not self.holds:
            await self._gained.wait()
            if not self.holds:  # it has run out, and who renews has not noticed yet
                self._gained.clear()

    @contextlib.asynccontextmanager
    async def contended(self) -> AsyncIterator[None]:
        """Strive for the lease while the block runs, and hold it as often as it can be had; then release it."""
        stop = asyncio.Event()
        task = asyncio.create_task(self._run(stop))
        try:
            yield
        finally:
            stop.set()
            try:
                await asyncio.wait([task])
            finally:
                task.cancel()

    async def _run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if self._valid_from is None:
                await self._attempt(self._look())
            else:
                await self._attempt(self._renew())
            if self._valid_from is not None and not self.holds:
                self._lose("it could not be renewed in time")
            if self.holds:
                self._gained.set()
            await self._clock.wait(stop, self._pause_seconds())
        if self.holds:
            await self._attempt(self._release())

    def _pause_seconds(self) -> float:
        return self._rhythm.look_seconds if self._valid_from is None else self._rhythm.renew_seconds

    async def _attempt(self, step: Awaitable[None]) -> None:
        try:
            await step
        except BurstlensError as error:
            self.errors[type(error).__name__] += 1
            if str(error) != self._trouble:
                _log.warning("the autoscaler's lease is out of reach", error=str(error))
            self._trouble = str(error)
        except Exception as error:  # noqa: BLE001 - a defect must not end all autoscaling; it is logged and counted
            self.errors[type(error).__name__] += 1
            _log.error("a look at the autoscaler's lease failed", exc_info=error)
        else:
            self._trouble = ""

    async def _look(self) -> None:
        """As standby: see who owns the fleet, and take it over from one who is dead, silent or has left."""
        term, content = self._watched.term, await self._terms.read(self._watched.term)
        if not content:
            term = max(await self._terms.numbers(), default=0)
            content = await self._terms.read(term)
        record, seat = Record.parse(content), self._seat()
        # Its own term is one that it has given up.
        vacant = not term or record.released or record.owner == self._mine.owner or bool(seat and seat == record.seat)
        if not vacant:
            self._rival = record.who
            if term != self._watched.term:
                _log.info("standby: another autoscaler runs this fleet", owner=record.who, term=term)
        self._watched = self._watched.after(_Watch(term, content), self._rhythm.look_seconds)
        if vacant or self._watched.unchanged_seconds >= self._rhythm.patience_seconds:
            self._watched = _Watch()
            await self._take(term + 1, seat)

    async def _take(self, term: int, seat: str) -> None:
        mine = self._mine.model_copy(update={"seat": seat})
        began = self._clock.now()
        if not await self._terms.create(term, mine):
            return
        terms = await self._terms.numbers()
        # Terms below an owner's are deleted, so one that was made late may be a term of the past.
        if max(terms, default=term) > term:
            return
        self._term, self._mine, self._valid_from = term, mine, began
        if self._rival:
            _log.warning("standby has taken over", term=term, owner=self._rival)
        self._rival = ""
        for old in terms - {term}:
            await self._terms.remove(old)

    async def _renew(self) -> None:
        self._mine = self._mine.model_copy(update={"beat": self._mine.beat + 1, "seat": self._seat()})
        began = self._clock.now()
        await self._terms.write(self._term, self._mine)
        # Who takes over waits for longer than this lease is valid, so nobody has, unless a clock went wrong.
        if await self._terms.exists(self._term + 1):
            self._rival = "another autoscaler"
            self._lose("another autoscaler has taken over")
        elif self.holds:
            self._valid_from = began

    async def _release(self) -> None:
        self._valid_from = None
        left = self._mine.model_copy(update={"released": True})
        await self._terms.write(self._term, left)

    def _lose(self, why: str) -> None:
        self._valid_from = None
        self._gained.clear()
        _log.warning("this autoscaler acts no longer", term=self._term, why=why)

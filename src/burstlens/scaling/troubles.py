"""What went wrong in a tick: expected errors become a sentence for the decision and a count, and nothing else."""

from collections import Counter
from collections.abc import Awaitable
from typing import TypeVar

import structlog

from burstlens.errors import BurstlensError, Misconfigured, NotAuthorized, NotFound, Throttled, Unavailable

EXPECTED = (Throttled, Unavailable, NotAuthorized, Misconfigured, NotFound)
"""Errors after which the autoscaler holds, says so, and asks again at the next tick."""

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)


class Troubles:
    """Collects what went wrong since `clear`; `errors` counts for ever, by kind."""

    def __init__(self) -> None:
        self.errors: Counter[str] = Counter()
        self.retry_after_seconds = 0.0
        """The longest pause that a throttling service asked for."""
        self._sentences: list[str] = []

    @property
    def sentences(self) -> tuple[str, ...]:
        """One for each trouble, in order."""
        return tuple(self._sentences)

    def clear(self) -> None:
        """Begin a tick."""
        self._sentences.clear()
        self.retry_after_seconds = 0.0

    def say(self, sentence: str) -> None:
        """Add a reason for holding that is no error, unless it was said already."""
        if sentence not in self._sentences:
            self._sentences.append(sentence)

    def note(self, what: str, error: BurstlensError) -> None:
        """Count an error and say what it stopped."""
        self.errors[type(error).__name__] += 1
        self._sentences.append(f"{what}: {error}")
        if isinstance(error, Throttled):
            self.retry_after_seconds = max(self.retry_after_seconds, error.retry_after_seconds)

    def note_defect(self, error: Exception) -> None:
        """Count an error that nobody expected and log it with its traceback."""
        self.errors[type(error).__name__] += 1
        _log.error("tick failed", exc_info=error)

    async def attempt(self, what: str, call: Awaitable[_T]) -> _T | None:
        """The result of `call`, or None after an expected error, which is noted."""
        try:
            return await call
        except EXPECTED as error:
            self.note(what, error)
            return None

    async def carry_out(self, what: str, call: Awaitable[None]) -> bool:
        """Whether `call` went well; an expected error is noted."""
        try:
            await call
        except EXPECTED as error:
            self.note(what, error)
            return False
        return True

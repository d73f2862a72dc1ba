"""Shifts: how many instances are wanted on which days and at which times of them, in UTC. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAILY = "daily"
_ENTRY = re.compile(r"(?P<days>[a-z,-]+)\s+(?P<begin>\d\d:\d\d)-(?P<end>\d\d:\d\d)\s+(?P<count>\d{1,6})")
_DAY_MINUTES = 24 * 60


@dataclass(frozen=True, slots=True)
class Shift:
    """One entry, such as ``mon-fri 08:00-18:00 4``: from its beginning until before its end."""

    days: frozenset[int]
    """On which it begins; 0 is Monday."""
    begin_minutes: int
    """Of the day, in UTC."""
    end_minutes: int
    """The same; when it is less than the beginning, that of the next day."""
    count: int

    @classmethod
    def parse(cls, entry: str) -> Self:
        """Read ``DAYS HH:MM-HH:MM COUNT``.

        DAYS is `daily`, or days and ranges of days with commas between them (``mon-fri``, ``sat,sun``, ``fri-mon``).
        Times go from 00:00 to 24:00. A shift that ends before it begins goes on past midnight, into the day after.

        Raises:
            ValueError: it is none; the message quotes the entry and says what is right.
        """
        found = _ENTRY.fullmatch(entry.strip().lower())
        if not found:
            raise _refusal(entry, "it is no `DAYS HH:MM-HH:MM COUNT`")
        begin_minutes, end_minutes = _minutes(found["begin"], entry), _minutes(found["end"], entry)
        if begin_minutes == end_minutes:
            raise _refusal(entry, "it ends as it begins; a whole day is 00:00-24:00")
        if begin_minutes == _DAY_MINUTES:
            raise _refusal(entry, "no day begins at 24:00")
        return cls(_days(found["days"], entry), begin_minutes, end_minutes, int(found["count"]))

    def holds(self, at: float) -> bool:
        """Whether `at`, in seconds since the epoch, is within it."""
        moment = datetime.fromtimestamp(at, UTC)
        day, minutes = moment.weekday(), moment.hour * 60 + moment.minute
        if self.begin_minutes < self.end_minutes:
            return day in self.days and self.begin_minutes <= minutes < self.end_minutes
        began_today = day in self.days and minutes >= self.begin_minutes
        began_yesterday = (day - 1) % len(_DAYS) in self.days and minutes < self.end_minutes
        return began_today or began_yesterday


def _days(text: str, entry: str) -> frozenset[int]:
    if text == _DAILY:
        return frozenset(range(len(_DAYS)))
    found: set[int] = set()
    for part in text.split(","):
        names = part.split("-")
        unknown = [name for name in names if name not in _DAYS]
        if unknown or len(names) > 2:
            known = ", ".join(_DAYS)
            raise _refusal(entry, f"there is no day {(unknown or [part])[0]!r}; days are {known} or {_DAILY}")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        found.update((first + step) % len(_DAYS) for step in range((last - first) % len(_DAYS) + 1))
    return frozenset(found)


def _minutes(text: str, entry: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    total = hours * 60 + minutes
    if minutes >= 60 or total > _DAY_MINUTES:
        raise _refusal(entry, f"there is no time {text}")
    return total


def _refusal(entry: str, why: str) -> ValueError:
    return ValueError(f"{entry!r}: {why}; right is, for example, 'mon-fri 08:00-18:00 4' (UTC)")

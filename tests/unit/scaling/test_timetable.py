"""Shifts, as they are written and when they hold."""

from datetime import UTC, datetime

import pytest

from burstlens.scaling.timetable import Shift

MONDAY = "2025-11-24"


def at(moment: str) -> float:
    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("entry", "moment", "holds"),
    [
        ("mon-fri 08:00-18:00 4", f"{MONDAY} 07:59:59", False),
        ("mon-fri 08:00-18:00 4", f"{MONDAY} 08:00:00", True),
        ("mon-fri 08:00-18:00 4", f"{MONDAY} 17:59:59.9", True),
        ("mon-fri 08:00-18:00 4", f"{MONDAY} 18:00:00", False),
        ("mon-fri 08:00-18:00 4", "2025-11-29 12:00", False),  # Saturday
        ("sat,sun 08:00-18:00 4", "2025-11-29 12:00", True),
        ("sat,sun 08:00-18:00 4", f"{MONDAY} 12:00", False),
        ("fri-mon 08:00-18:00 4", f"{MONDAY} 12:00", True),
        ("fri-mon 08:00-18:00 4", "2025-11-25 12:00", False),
        ("mon-tue,thu 08:00-18:00 4", "2025-11-27 12:00", True),
        ("daily 00:00-24:00 1", "2025-11-29 23:59:59", True),
        ("sun 22:00-06:00 2", "2025-11-23 21:59", False),
        ("sun 22:00-06:00 2", "2025-11-23 22:00", True),
        ("sun 22:00-06:00 2", f"{MONDAY} 05:59", True),
        ("sun 22:00-06:00 2", f"{MONDAY} 06:00", False),
        ("sun 22:00-06:00 2", f"{MONDAY} 22:30", False),
        ("mon 22:00-06:00 2", f"{MONDAY} 05:00", False),
        ("  SUN   22:00-24:00  2 ", "2025-11-23 23:59", True),
    ],
)
def test_a_shift_holds_from_its_beginning_until_before_its_end(entry: str, moment: str, holds: bool) -> None:
    assert Shift.parse(entry).holds(at(moment)) is holds


def test_a_whole_week_of_days_is_daily() -> None:
    assert Shift.parse("mon-sun 01:00-02:30 7") == Shift.parse("daily 01:00-02:30 7")
    assert Shift.parse("wed 01:00-02:30 7") == Shift(frozenset({2}), 60, 150, 7)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("", "it is no `DAYS HH:MM-HH:MM COUNT`"),
        ("mon-fri 8:00-18:00 4", "it is no `DAYS HH:MM-HH:MM COUNT`"),
        ("mon-fri 08:00-18:00", "it is no `DAYS HH:MM-HH:MM COUNT`"),
        ("mon-fri 08:00-18:00 -4", "it is no `DAYS HH:MM-HH:MM COUNT`"),
        ("mon - fri 08:00-18:00 4", "it is no `DAYS HH:MM-HH:MM COUNT`"),
        ("weekdays 08:00-18:00 4", "there is no day 'weekdays'; days are mon, tue, wed, thu, fri, sat, sun or daily"),
        ("mon-wed-fri 08:00-18:00 4", "there is no day 'mon-wed-fri'"),
        ("mon, 08:00-18:00 4", "there is no day ''"),
        ("daily,mon 08:00-18:00 4", "there is no day 'daily'"),
        ("mon 08:60-18:00 4", "there is no time 08:60"),
        ("mon 08:00-24:01 4", "there is no time 24:01"),
        ("mon 24:00-06:00 4", "no day begins at 24:00"),
        ("mon 08:00-08:00 4", "it ends as it begins; a whole day is 00:00-24:00"),
    ],
)
def test_what_is_no_shift_is_quoted_with_what_is_right(entry: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"right is, for example, 'mon-fri 08:00-18:00 4' \(UTC\)$") as refused:
        Shift.parse(entry)
    assert str(refused.value).startswith(f"{entry!r}: {why}")

"""Arrivals from files of the formats in which public traces come; which one it is shows in the first two lines."""

import csv
import itertools
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from burstlens.errors import Misconfigured
from burstlens.simulate.outcome import Floats

MOST_ARRIVALS = 50_000_000
"""In one file; as offsets they take 400 MB, and several times that while they are sorted."""
_LONGEST_LINE = 1 << 20
"""Characters; a day of counts per minute has 10,000 at most."""
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 1e8, 1e11
"""Numbers from here on are no offsets but moments (1973 in seconds), or those in milliseconds (5138 in seconds)."""
_COUNTS_HEADER = ["hashowner", "hashapp", "hashfunction", "trigger"]
_MINUTE_SECONDS = 60.0


class _Faulty(Exception):
    """Becomes a `Misconfigured` that also names the file."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    fields: list[str]


def read_trace(path: Path, *, function: str = "", seed: int | None = None) -> Floats:
    """The arrivals in a file, ascending, as offsets in seconds.

    Formats, with commas between the columns:

    - time stamps (ISO 8601, UTC unless they say otherwise) or seconds in the first column, ascending, with a header or
      without. Time stamps and seconds since the epoch count from the first one on; other numbers are offsets already.
    - counts per minute: ``HashOwner,HashApp,HashFunction,Trigger,1,2,…``, a row for each function. They count from the
      start of the first minute. Rows are summed.
    - one row for each call, in any order, with the columns ``func``, ``end_timestamp`` and ``duration`` in seconds: a
      call arrives at end − duration. They count from the first arrival on.

    Args:
        path: of the file.
        function: where the file tells functions apart, only those whose name begins so.
        seed: of the moments within a minute where only counts are known: uniformly at random; None spreads them evenly.

    Raises:
        Misconfigured: the file cannot be read, is in none of these formats, has no arrivals or too many, or a line is
            wrong; it names file and line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            offsets = _offsets(_rows(file), function, seed)
    except _Faulty as fault:
        message = f"{path}, {fault}"
    except UnicodeDecodeError:
        message = f"{path}: this is no text; a compressed trace has to be unpacked first"
    except OSError as error:
        message = f"{path}: the trace cannot be read: {error.strerror}"
    else:
        if len(offsets):
            return offsets
        message = f"{path}: there are no arrivals in it" + (f" of a function {function}…" if function else "")
    raise Misconfigured(message)


def _rows(file: TextIO) -> Iterator[_Row]:
    """Rows that have anything in them."""
    lines = csv.reader(_lines(file))
    try:
        for fields in lines:
            stripped = [field.strip() for field in fields]
            if any(stripped):
                yield _Row(lines.line_num, stripped)
    except csv.Error as error:
        raise _Faulty(lines.line_num, str(error)) from None


def _lines(file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise _Faulty(number, "it is too long; this is no trace")
        yield line


def _offsets(rows: Iterator[_Row], function: str, seed: int | None) -> Floats:
    first = next(rows, None)
    if first is None:
        raise _Faulty(1, "the file is empty")
    header = [name.lower() for name in first.fields]
    if header[: len(_COUNTS_HEADER)] == _COUNTS_HEADER:
        return _from_counts(rows, len(header), function, seed)
    if {"end_timestamp", "duration"} <= set(header):
        return _from_calls(rows, header, function)
    if function:
        raise _Faulty(first.line, f"this format does not tell functions apart, so there is no {function}")
    return _from_moments(first, rows)


def _from_moments(first: _Row, rows: Iterator[_Row]) -> Floats:
    parse = _parser(first.fields[0])
    if parse:
        rows = itertools.chain([first], rows)
    else:
        second = next(rows, None)
        parse = _parser(second.fields[0]) if second else None
        if second is None or parse is None:
            row = second or first
            raise _Faulty(row.line, f"{_short(row.fields[0])} is neither a time stamp nor a number of seconds")
        rows = itertools.chain([second], rows)
    moments = array("d")
    last = -math.inf
    for row in rows:
        moment = _moment(row, 0, parse)
        if moment < last:
            raise _Faulty(row.line, f"{_short(row.fields[0])} is earlier than the line before; sort the file by time")
        last = moment
        moments.append(moment)
        _not_too_many(row, len(moments))
    offsets = np.array(moments)
    return offsets - offsets[0] if parse is _stamp or offsets[0] >= _EPOCH_SECONDS else offsets


def _from_calls(rows: Iterator[_Row], header: list[str], function: str) -> Floats:
    end, duration = header.index("end_timestamp"), header.index("duration")
    name = header.index("func") if "func" in header else 0
    starts = array("d")
    for row in rows:
        if len(row.fields) != len(header):
            raise _Faulty(row.line, f"it has {len(row.fields)} columns and the header has {len(header)}")
        if row.fields[name].startswith(function):
            starts.append(_moment(row, end, _seconds) - _moment(row, duration, _seconds))
            _not_too_many(row, len(starts))
    offsets = np.sort(np.array(starts))
    return offsets - offsets[0] if len(offsets) else offsets


def _from_counts(rows: Iterator[_Row], columns: int, function: str, seed: int | None) -> Floats:
    before = len(_COUNTS_HEADER)
    sums = np.zeros(columns - before, dtype=np.int64)
    for row in rows:
        if len(row.fields) != columns:
            raise _Faulty(row.line, f"it has {len(row.fields)} columns and the header has {columns}")
        if not row.fields[before - 2].startswith(function):
            continue
        try:
            counts = np.array(row.fields[before:], dtype=np.int64)
        except (ValueError, OverflowError):
            raise _Faulty(row.line, "a count per minute is no whole number") from None
        if (counts < 0).any():
            raise _Faulty(row.line, "a count per minute is negative")
        _not_too_many(row, int(counts.max(initial=0)))
        sums += counts
        _not_too_many(row, int(sums.sum()))
    minutes = np.repeat(np.arange(len(sums)), sums)
    if seed is not None:
        within = np.random.default_rng(seed).uniform(size=len(minutes))
    else:
        index = np.arange(len(minutes)) - np.repeat(np.cumsum(sums) - sums, sums)
        within = (index + 0.5) / np.repeat(sums, sums)
    return np.sort(_MINUTE_SECONDS * (minutes + within))


def _parser(field: str) -> Callable[[str], float] | None:
    for parse in (_seconds, _stamp):
        try:
            parse(field)
        except ValueError:
            continue
        return parse
    return None


def _seconds(field: str) -> float:
    return float(field)


def _stamp(field: str) -> float:
    moment = datetime.fromisoformat(field)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _moment(row: _Row, column: int, parse: Callable[[str], float]) -> float:
    field = row.fields[column]
    try:
        moment = parse(field)
    except ValueError:
        kind = "a time stamp" if parse is _stamp else "a number of seconds"
        raise _Faulty(row.line, f"{_short(field)} is not {kind}") from None
    if not 0 <= moment < _EPOCH_MILLISECONDS:
        hint = "; are these milliseconds?" if _EPOCH_MILLISECONDS <= moment < math.inf else ""
        raise _Faulty(row.line, f"{_short(field)} is no moment in seconds{hint}")
    return moment


def _not_too_many(row: _Row, count: int) -> None:
    if count > MOST_ARRIVALS:
        raise _Faulty(row.line, f"more than {MOST_ARRIVALS:,} arrivals up to here; take a part of the trace")


def _short(field: str) -> str:
    return repr(field if len(field) <= 40 else field[:39] + "…")

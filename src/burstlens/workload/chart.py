"""A small chart for terminals: values over time as Unicode blocks, readable without colour. Pure."""

from collections.abc import Mapping, Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"

Samples = Sequence[tuple[float, float]]
"""(seconds, value), ascending in time. A value holds until the next sample."""


def timeline(series: Mapping[str, Samples], width: int = 80, height: int = 4) -> str:
    """Draw one panel of `height` rows for each series, each with its own scale from 0, above one common time axis.

    No line is longer than `width` characters. A column shows the highest value of its slice of time, so that no peak
    is lost; any value above 0 is at least one eighth of a row. Empty series are left out; without samples, the text is
    empty.
    """
    panels = {name: samples for name, samples in series.items() if samples}
    if not panels:
        return ""
    begin = min(samples[0][0] for samples in panels.values())
    end = max(samples[-1][0] for samples in panels.values())
    tops = {name: max(1.0, *(value for _, value in samples)) for name, samples in panels.items()}
    margin = max(len(_number(top)) for top in tops.values())
    columns = max(1, width - margin - 2)
    lines = []
    for name, samples in panels.items():
        lines.append(f"{'':{margin}}  {name}"[:width])
        rows = _bars(_slices(samples, begin, end, columns), tops[name], height)
        lines.append(f"{_number(tops[name]):>{margin}} ┤{rows[0]}".rstrip())
        lines.extend(f"{'':{margin}} │{row}".rstrip() for row in rows[1:])
        lines.append(f"{'0':>{margin}} ┼{'─' * columns}")
    lines.append(f"{'':{margin}}  {_ticks(begin, end, columns)}".rstrip())
    return "\n".join(lines)


def _slices(samples: Samples, begin: float, end: float, columns: int) -> list[float]:
    """The highest value of each of `columns` equal slices of the time from `begin` to `end`."""
    seconds_per_column = (end - begin) / columns or 1.0
    highest: list[float | None] = [None] * columns
    last: list[float | None] = [None] * columns
    for moment, value in samples:
        column = min(columns - 1, int((moment - begin) / seconds_per_column))
        before = highest[column]
        highest[column] = value if before is None else max(before, value)
        last[column] = value
    held = 0.0
    values = []
    for peak, final in zip(highest, last, strict=True):
        values.append(held if peak is None else peak)
        held = held if final is None else final
    return values


def _bars(values: Sequence[float], top: float, height: int) -> list[str]:
    eighths = [max(round(value / top * height * 8), int(value > 0)) for value in values]
    return [
        "".join(BLOCKS[min(8, max(0, level - floor * 8))] for level in eighths) for floor in range(height - 1, -1, -1)
    ]


def _ticks(begin: float, end: float, columns: int) -> str:
    """Marks at the beginning, the middle and the end, as far as there is room; offsets count from the beginning."""
    first, middle, last = (f"{_number((end - begin) * part)} s" for part in (0.0, 0.5, 1.0))
    if columns < len(first) + len(middle) + len(last) + 4:
        return f"{first}{last:>{max(0, columns - len(first))}}"[:columns]
    half = columns // 2
    return f"{first}{middle:^{2 * (half - len(first))}}".ljust(columns - len(last))[: columns - len(last)] + last


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"

"""Which label is right for which image: ``expected.csv`` as the course's graders write it."""

import csv
from pathlib import Path

from burstlens.errors import Misconfigured

HEADER = ("Image", "Results")


def read_expectations(path: Path) -> dict[str, str]:
    """Read a CSV with the header ``Image,Results`` and lines such as ``test_00,Paul``: name without suffix, label.

    Raises:
        Misconfigured: the file cannot be read, or a line is not as above; the text names file and line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the expectations {path}: {error}"
        raise Misconfigured(message) from error
    rows = csv.reader(text.splitlines())
    header = tuple(cell.strip() for cell in next(rows, []))
    if header != HEADER:
        message = f"{path} must begin with the header {','.join(HEADER)!r}, not {','.join(header)!r}"
        raise Misconfigured(message)
    labels: dict[str, str] = {}
    for row in rows:
        if not row:
            continue
        name, label = _cells(row, f"{path}, line {rows.line_num}")
        if labels.setdefault(name, label) != label:
            message = f"{path}, line {rows.line_num}: {name!r} is expected to be both {labels[name]!r} and {label!r}"
            raise Misconfigured(message)
    return labels


def _cells(row: list[str], where: str) -> tuple[str, str]:
    cells = [cell.strip() for cell in row]
    if len(cells) != len(HEADER) or not all(cells):
        message = f"{where}: expected an image name and a label, found {','.join(row)!r}"
        raise Misconfigured(message)
    return cells[0], cells[1]


def is_right(label: str, expected: str) -> bool:
    """Whether the label is the expected one: equal up to surrounding white space, as the course's clients compare."""
    return label.strip() == expected.strip()

"""Rows as JSON and CSV, for other programs."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from burstlens.simulate.oracle import Bound
from burstlens.simulate.row import Row

CURVES = ("at", "arrivals", "backlog", "money")


def plain(
    asked: Mapping[str, object], rows: Sequence[Row], sweep: Sequence[Row], bound: Bound | None
) -> dict[str, Any]:
    """All that was found, as JSON takes it.

    Args:
        asked: the scenario, in the words of the command line.
        rows: the policies that were asked for; these come with their timelines.
        sweep: the same and other policies in other settings; figures only.
        bound: what any policy has to pay; None if it is not known.
    """
    return {
        "asked": dict(asked),
        "bound": plain_bound(bound),
        "policies": [row.figures() | {"timeline": _timeline(row)} for row in rows],
        "sweep": [row.figures() for row in sweep],
    }


def plain_bound(bound: Bound | None) -> dict[str, Any] | None:
    """The bound as JSON takes it, which knows no infinity; None if it is not known."""
    if bound is None:
        return None
    return {name: value for name, value in asdict(bound).items() if bound.feasible or name in {"feasible", "status"}}


def _timeline(row: Row) -> dict[str, Any]:
    whole = row.timeline
    curves: dict[str, Any] = {name: getattr(whole, name).tolist() for name in CURVES}
    return curves | {"instances": {pool: values.tolist() for pool, values in whole.instances.items()}}


def write_json(path: Path, found: Mapping[str, Any]) -> None:
    """Write what `plain` gives."""
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Row], sweep: Sequence[Row]) -> None:
    """One line for each row: first those that were asked for, then the sweep."""
    parts = (("policies", rows), ("sweep", sweep))
    records = [{"part": name, **row.figures()} for name, part in parts for row in part]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]) if records else ["part"])
        writer.writeheader()
        writer.writerows(records)

"""What the commands of `burstlens image` show, of whichever cloud."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One image."""

    cells: tuple[str, str, str, str, str]
    """Id, name, when it was created, state, size."""
    details: Mapping[str, object]
    """For programs."""
    in_use: bool


@dataclass(frozen=True, slots=True)
class Old:
    """Images that can be removed."""

    lines: Sequence[str]
    """One for each."""
    of: int
    """How many images there are."""
    remove: Callable[[], None]

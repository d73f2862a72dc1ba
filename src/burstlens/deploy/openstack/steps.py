"""Steps: what is to be done, in an order in which it can be. `plan` shows them, `up` shows them and takes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one thing.

    Attributes:
        action: what becomes of it.
        kind: such as ``network``.
        name: of the thing.
        why: what is to be known of it.
        act: does it. Whoever has died in the middle takes an inventory, and gets the steps that are left.
    """

    action: str
    kind: str
    name: str
    why: str
    act: Callable[[], object]


ADD, CHANGE, REPLACE, REMOVE = "Add", "Modify", "Replace", "Remove"

Show = Callable[[Sequence[Step]], None]
"""Tells the operator what would change."""

"""The fleet as three sets, by the names of its instances: asked for, seen by a cloud, heard from. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from burstlens.scaling.members import Member


@dataclass(frozen=True, slots=True)
class Fleet:
    """The capacity that is there or on its way. Between each set and the next there is a gap that takes time."""

    requested: frozenset[str] = frozenset()
    """Launched, and no cloud lists them yet; those that should have come by now hold a place under the cap (R1, R2)."""
    listed: frozenset[str] = frozenset()
    """Observed by a cloud: booting or working."""
    beating: frozenset[str] = frozenset()
    """Of those listed, observed by heartbeat."""

    @classmethod
    def of(cls, members: Sequence[Member]) -> "Fleet":
        """Sort a fleet. What drains, failed or went silent is in none of the sets."""
        listed = [member for member in members if member.listed and member.is_capacity]
        return cls(
            requested=frozenset(member.instance.name for member in members if not member.listed),
            listed=frozenset(member.instance.name for member in listed),
            beating=frozenset(member.instance.name for member in listed if member.has_beaten),
        )

    @property
    def booting(self) -> frozenset[str]:
        """Listed, and not heard from."""
        return self.listed - self.beating

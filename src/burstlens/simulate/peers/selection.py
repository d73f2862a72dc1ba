"""Which setting of the peers is best: for one scenario in hindsight, and one for all. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from burstlens.simulate.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Score:
    """What one setting came to on one scenario."""

    name: str
    """Of the setting."""
    money: float
    billed_seconds: float
    attainment: Mapping[float, float]
    """By deadline in seconds: the share of requests answered within it."""

    @classmethod
    def of(cls, name: str, outcome: Outcome, deadlines: Sequence[float]) -> Self:
        """The score of a run."""
        met = {deadline: outcome.attainment(deadline) for deadline in deadlines}
        return cls(name, outcome.money, outcome.billed_seconds, met)

    def meets(self, deadline: float, share: float) -> bool:
        """Whether at least this share of the requests met the deadline."""
        return self.attainment[deadline] >= share


@dataclass(frozen=True, slots=True)
class Single:
    """One setting on every scenario."""

    name: str
    cells: frozenset[str]
    """The scenarios in which it meets the deadline."""
    money: float
    """Over all scenarios."""


def best_in_hindsight(scores: Sequence[Score], deadline: float, share: float = 0.99) -> Score | None:
    """The cheapest setting that meets the deadline on this scenario, of equal bills the first; None if none does."""
    return min((score for score in scores if score.meets(deadline, share)), key=lambda score: score.money, default=None)


def singles(scenarios: Mapping[str, Sequence[Score]], deadline: float, share: float = 0.99) -> list[Single]:
    """Every setting over all scenarios: the one that meets most first, of as many the cheapest first.

    Args:
        scenarios: by name, the scores of the same settings.
        deadline: in seconds.
        share: of the requests that is to meet it.

    Raises:
        ValueError: the scenarios were not tried with the same settings.
    """
    tried = {frozenset(score.name for score in scores) for scores in scenarios.values()}
    if len(tried) > 1:
        message = "a single best setting needs scenarios that were all tried with the same settings"
        raise ValueError(message)
    found = []
    for name in sorted(frozenset().union(*tried)):
        of_all = {cell: next(score for score in scores if score.name == name) for cell, scores in scenarios.items()}
        cells = frozenset(cell for cell, score in of_all.items() if score.meets(deadline, share))
        found.append(Single(name, cells, sum(score.money for score in of_all.values())))
    return sorted(found, key=lambda single: (-len(single.cells), single.money))


def best_single(scenarios: Mapping[str, Sequence[Score]], deadline: float, share: float = 0.99) -> Single | None:
    """The setting that meets the deadline in most scenarios, of as many the cheapest; None without scenarios.

    Raises:
        ValueError: as for `singles`.
    """
    return next(iter(singles(scenarios, deadline, share)), None)

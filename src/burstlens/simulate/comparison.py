"""Which runs answer a question such as "deadline or keda?", and which rows are the answer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from burstlens.errors import Misconfigured
from burstlens.scaling.policy import POLICIES
from burstlens.simulate.pareto import curve_trials
from burstlens.simulate.peers.grid import GRID
from burstlens.simulate.row import Row, best
from burstlens.simulate.study import Run, Scenario
from burstlens.simulate.trial import Trial, trials

CURVE = "deadline"
"""The policy whose dials the sweep turns."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies on one scenario."""

    scenario: Scenario
    families: Mapping[str, Sequence[Trial]]
    """By the name that was asked for: one trial, or every setting of a peer."""
    others: Sequence[Trial] = field(default=())
    """What else the picture of money against latency shows."""

    @property
    def runs(self) -> list[Run]:
        """What has to be simulated; what was asked for comes first, and nothing twice."""
        wanted = [trial for family in self.families.values() for trial in family]
        return [(self.scenario, trial) for trial in {each.name: each for each in [*wanted, *self.others]}.values()]

    def answer(self, rows: Iterable[Row]) -> list[Row]:
        """For each name that was asked for the row of its best setting, as far as any of it was simulated."""
        by_name = {row.name: row for row in rows}
        answers = []
        for family in self.families.values():
            there = [by_name[trial.name] for trial in family if trial.name in by_name]
            if there:
                answers.append(best(there, self.scenario.options.attainment))
        return answers


def compare(scenario: Scenario, names: str) -> Comparison:
    """The comparison of policies whose names are separated by commas.

    Raises:
        Misconfigured: there is none of such a name.
    """
    words = [word.strip() for word in names.split(",") if word.strip()]
    if not words:
        message = "--policy names no policy; try --policy deadline,keda"
        raise Misconfigured(message)
    return Comparison(scenario, {word: trials(word, scenario.options) for word in dict.fromkeys(words)})


def sweep(scenario: Scenario) -> list[Trial]:
    """Every policy in every setting: burstlens's own, `deadline` along its dials, and the grids of all peers."""
    own = [name for name in POLICIES if name != "schedule"]
    price = max(each.pool.price_per_hour for each in scenario.world.pools)
    curves = curve_trials(scenario.options, price) if CURVE in POLICIES else []
    peers = [trial for name in GRID for trial in trials(name, scenario.options)]
    return [*(Trial(name) for name in own), *curves, *peers]

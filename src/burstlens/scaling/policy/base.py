"""The policy port: how many instances are wanted."""

import operator
from typing import Protocol, runtime_checkable

from burstlens.scaling.observation import Observation


class Policy(Protocol):
    """Decides the size of the fleet. No I/O, no clock, no chance.

    It may remember what it observed, for one fleet; the same observations in the same order give the same wishes.
    """

    def desired(self, observation: Observation) -> int:
        """How many instances there should be. Guardrails and placement come after it."""


@runtime_checkable
class Explaining(Protocol):
    """A policy that can say why; any policy may be one."""

    def explain(self, observation: Observation) -> str:
        """One clause in words: what `desired` makes of this observation, and why. It does not name the policy."""


def wish(policy: Policy, observation: Observation) -> tuple[int, str]:
    """What the policy wants, and why.

    Raises:
        TypeError: what it wants is no whole number.
    """
    wanted = operator.index(policy.desired(observation))
    if isinstance(policy, Explaining):
        return wanted, policy.explain(observation)
    return wanted, f"depth {observation.depth} and {observation.instances} instances"

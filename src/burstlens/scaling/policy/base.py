"""The policy port: how many instances are wanted."""

from typing import Protocol

from burstlens.scaling.observation import Observation


class Policy(Protocol):
    """Decides the size of the fleet. Pure: no I/O, no clock, no memory but what the observation brings."""

    def desired(self, observation: Observation) -> int:
        """How many instances there should be. Guardrails and placement come after it."""

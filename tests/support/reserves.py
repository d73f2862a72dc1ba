"""Loads to keep instances in reserve for, and what they go by."""

from burstlens.scaling.rehearsal import Conditions

CONDITIONS = Conditions(
    tick_seconds=5.0,
    deadline_seconds=30.0,
    service_seconds=0.5,
    boot_seconds=45.0,
    minimum_seconds=60.0,
    miss_seconds=100.0,
    cap=50,
)
STEADY = [30.0] * 720
"""Three instances' work, for an hour."""
SPIKY = ([0.0] * 50 + [100.0] * 10) * 12
"""Ten instances' work for 50 s, out of silence, every five minutes."""

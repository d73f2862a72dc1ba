"""Clouds on one machine, to try things out on and to test against; never part of the package."""

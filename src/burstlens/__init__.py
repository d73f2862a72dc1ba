"""Elastic image recognition for a hybrid cloud: your own OpenStack first, AWS when it is full."""

from importlib.metadata import version

__version__ = version("burstlens")

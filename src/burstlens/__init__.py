"""Elastic image recognition for a hybrid cloud: your own OpenStack first, AWS when it is full."""

__version__ = "0.1.0"  # read by the build; looking it up among the installed packages would slow every start

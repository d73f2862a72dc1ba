"""``python -m burstlens`` is the same as ``burstlens``."""

from burstlens.cli import main

main()

"""Where instances come from: the port in `base`, one adapter per module."""

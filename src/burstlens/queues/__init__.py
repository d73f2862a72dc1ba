"""The queues between the tiers: the port in `base`, one adapter per module."""

"""A fleet's private cloud: its network, what may reach it, and the host of its web tier."""

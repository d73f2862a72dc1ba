"""What a server carries that says whose it is. Pure.

A tag finds the servers of a fleet. A description names the launch: of all that a server carries, nova keeps only that,
name and id once it is deleted. Nova takes 50 tags of 60 characters, without ``/`` and ``,``, and 255 characters of
description and of each value of metadata.
"""

POOL = "burstlens-pool"
FLAVOR = "burstlens-flavor"
ZONE = "burstlens-zone"
"""Keys of metadata. The last two are the offer that was asked; a server that found no host does not show it."""


def fleet_tag(fleet: str) -> str:
    """The tag of every server of the fleet."""
    return f"burstlens-fleet={fleet}"


def description(fleet: str, pool: str, token: str) -> str:
    """What names one launch of one pool."""
    return f"burstlens worker of fleet {fleet}, pool {pool}, launch {token}"

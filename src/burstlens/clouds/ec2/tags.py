"""The tags that say what an instance is. An instance reads its own through its metadata, where a key holds no ``/``."""

from collections.abc import Iterable, Mapping

NAME = "Name"
FLEET = "burstlens:fleet"
POOL = "burstlens:pool"
LAUNCH = "burstlens:launch"
"""The token of the launch that it was born in: a repeated launch finds it by this."""
DRAIN = "burstlens:drain"
"""Set, to anything, on an instance that is to stop receiving, finish and shut itself down."""


def as_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """As requests carry them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def as_mapping(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """As answers carry them, by key."""
    return {tag["Key"]: tag["Value"] for tag in tags}

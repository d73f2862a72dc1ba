"""An image of the fleet in Glance, as its answers show it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

VERSION, WHEEL, BUILD = "burstlens_version", "burstlens_wheel", "burstlens_build"
"""Properties: of the package, SHA-256 of its wheel, and `burstlens.deploy.openstack_image.recipe.Recipe.build`."""
SOURCE = "burstlens_source"
"""Property: SHA-512 of the file that it was made of, which may have been converted on the way."""

_ENDED = frozenset({"active", "deactivated"})
_DIGEST = "sha512"


@dataclass(frozen=True, slots=True)
class Image:
    """One image."""

    id: str
    name: str
    status: str
    """Glance's: ``queued``, ``saving``, ``active`` …"""
    created: str
    """RFC 3339, UTC."""
    format: str
    size: int
    """Bytes in Glance."""
    digest: str
    """SHA-512 of those, hex; empty when Glance keeps another."""
    source: str
    version: str
    wheel: str
    build: str

    @classmethod
    def parse(cls, shown: Mapping[str, Any]) -> Self:
        """From the image API, version 2."""
        return cls(
            id=shown["id"],
            name=shown.get("name") or "",
            status=shown["status"],
            created=shown.get("created_at") or "",
            format=shown.get("disk_format") or "",
            size=shown.get("size") or 0,
            digest=(shown.get("os_hash_value") or "") if shown.get("os_hash_algo") == _DIGEST else "",
            source=shown.get(SOURCE, ""),
            version=shown.get(VERSION, ""),
            wheel=shown.get(WHEEL, ""),
            build=shown.get(BUILD, ""),
        )

    @property
    def is_half(self) -> bool:
        """Whether its upload has not ended: it never will if whoever uploaded it has died."""
        return self.status not in _ENDED

    @property
    def is_usable(self) -> bool:
        """Whether servers can start from it."""
        return self.status == "active"

    def age_seconds(self, now: float) -> float:
        """How long ago it was begun."""
        return now - datetime.fromisoformat(self.created).timestamp()


def superfluous(images: Iterable[Image], in_use: Iterable[str], keep: int) -> list[Image]:
    """All but the `keep` newest; one that is in use or under way is kept and not counted. Pure."""
    used = set(in_use)
    free = [image for image in images if image.id not in used and not image.is_half]
    return sorted(free, key=lambda image: (image.created, image.id), reverse=True)[keep:]


def named(images: Iterable[Image], wanted: Iterable[str]) -> set[str]:
    """Ids of what these names and ids mean to whoever launches: of several of one name, the newest that is usable."""
    newest: dict[str, str] = {}
    ids: dict[str, str] = {}
    for image in sorted(images, key=lambda image: (image.created, image.id)):
        ids[image.id] = image.id
        if image.is_usable:
            newest[image.name] = image.id
    return {found for name in wanted if (found := newest.get(name) or ids.get(name))}

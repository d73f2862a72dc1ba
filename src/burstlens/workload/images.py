"""The images that a workload sends: those of a folder, or any others, cycled to the number of requests."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from burstlens.errors import Misconfigured

CONTENT_TYPES: Mapping[str, str] = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
"""The suffixes, in lower case, that make a file an image here; servers look at the bytes, not at this type."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image to send."""

    name: str
    """File name with suffix, as it travels in the upload."""
    data: bytes
    expected: str | None = None
    """The label that is right for it, where that is known."""

    @property
    def stem(self) -> str:
        """The name without its last suffix: how ``expected.csv`` calls it."""
        return PurePath(self.name).stem

    @property
    def content_type(self) -> str:
        """Media type by suffix."""
        return CONTENT_TYPES.get(PurePath(self.name).suffix.lower(), "application/octet-stream")


def read_folder(folder: Path, limit: int) -> tuple[Image, ...]:
    """Read the first `limit` images of the folder, by name, sub-folders left out. All are held in memory at once.

    Raises:
        Misconfigured: there is no such folder, it cannot be read, or it holds no image.
    """
    if not folder.is_dir():
        reason = "is not a folder" if folder.exists() else "does not exist"
        message = f"the image folder {folder} {reason}"
        raise Misconfigured(message)
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in CONTENT_TYPES and path.is_file())
        images = tuple(Image(path.name, path.read_bytes()) for path in paths[:limit])
    except OSError as error:
        message = f"cannot read the image folder {folder}: {error}"
        raise Misconfigured(message) from error
    if not images:
        message = f"the image folder {folder} holds no image ({', '.join(sorted(CONTENT_TYPES))})"
        raise Misconfigured(message)
    return images


def with_expectations(images: tuple[Image, ...], labels: Mapping[str, str]) -> tuple[Image, ...]:
    """The images with the labels expected of them; `labels` is keyed by image name without suffix.

    Raises:
        Misconfigured: an image has no expectation, so the run could not be judged.
    """
    missing = [image.stem for image in images if image.stem not in labels]
    if missing:
        message = f"no expectation for {len(missing)} of {len(images)} images, the first is {missing[0]!r}"
        raise Misconfigured(message)
    return tuple(replace(image, expected=labels[image.stem]) for image in images)

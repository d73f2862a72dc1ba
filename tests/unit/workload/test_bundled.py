import hashlib
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from burstlens.recognition.labels import labels
from burstlens.workload.bundled import Photo, bundled_photos

PHOTOS = bundled_photos()
FOLDER = PHOTOS[0].path.parent
MAX_TOTAL_BYTES = 1_200_000

each_photo = pytest.mark.parametrize("photo", PHOTOS, ids=[photo.path.name for photo in PHOTOS])


def manifest_entry(photo: Photo) -> dict[str, Any]:
    entries = tomllib.loads((FOLDER / "manifest.toml").read_text(encoding="utf-8"))["photo"]
    [entry] = [entry for entry in entries if entry["file"] == photo.path.name]
    return dict(entry)


def files_on_disk() -> Iterator[Path]:
    return (path for path in FOLDER.iterdir() if path.name != "manifest.toml")


def test_the_manifest_names_exactly_the_files_that_are_there() -> None:
    assert [photo.path for photo in PHOTOS] == sorted(files_on_disk())


def test_there_are_enough_photos_of_different_things() -> None:
    assert len(PHOTOS) >= 12
    assert len({photo.class_index for photo in PHOTOS}) == len({photo.label for photo in PHOTOS}) >= 10


def test_the_photos_are_typical_uploads_yet_small_to_ship() -> None:
    sizes = [photo.path.stat().st_size for photo in PHOTOS]
    assert sum(sizes) < MAX_TOTAL_BYTES
    assert sum(90_000 <= size <= 110_000 for size in sizes) >= 3
    assert {photo.path.suffix for photo in PHOTOS} == {".jpg", ".png", ".webp"}


@each_photo
def test_the_photo_is_the_one_whose_licence_was_checked(photo: Photo) -> None:
    entry = manifest_entry(photo)
    assert hashlib.sha256(photo.path.read_bytes()).hexdigest() == entry["sha256"]
    assert photo.licence in {"CC0-1.0", "public domain"}
    spellings = {"CC0-1.0": "cc0", "public domain": "public domain"}
    assert spellings[photo.licence] in entry["evidence"].lower()
    assert all((photo.title, photo.author, photo.source))


@each_photo
def test_the_label_is_the_name_of_its_class(photo: Photo) -> None:
    assert photo.label == labels()[photo.class_index]
    assert labels().count(photo.label) == 1  # so a right label means the right class


@each_photo
def test_the_photo_is_a_whole_picture_of_handy_size_without_metadata(photo: Photo) -> None:
    data = photo.path.read_bytes()
    assert 10_000 <= len(data) <= 110_000
    with Image.open(BytesIO(data)) as image:
        image.load()
        assert 300 <= max(image.size) <= 640
        assert image.mode in {"RGB", "L"}
        assert not image.getexif()
        assert "icc_profile" not in image.info

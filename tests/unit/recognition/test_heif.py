"""HEIC decodes as every other kind does, and its own ways to turn, nest and thumb pictures are known."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import pillow_heif
import pytest
from PIL import Image

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, ImageInfo, decode, decode_whole, inspect

LIMITS = DecodeLimits(max_bytes=10_000_000)
WIDTH, HEIGHT = 400, 300
LOSSY = 3.0
"""Greatest mean difference from the picture that was encoded, of 255."""


def scene() -> Image.Image:
    """Smooth, colourful, and different under every rotation and reflection."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] / np.array([HEIGHT, WIDTH]).reshape(2, 1, 1)
    channels = [255 * x, 255 * y**2, 127 + 120 * np.sin(5 * x + 9 * y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def with_alpha() -> Image.Image:
    picture = scene().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def encoded(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=95, **options)
    return file.getvalue()


def oriented(picture: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, exif=exif.tobytes())


def on_white(picture: Image.Image) -> npt.NDArray[np.int64]:
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    return np.asarray(Image.alpha_composite(white, rgba).convert("RGB")).astype(int)


def difference(data: bytes, expected: Image.Image) -> float:
    pixels = decode_whole(data, LIMITS, max(expected.size))
    assert pixels.shape == (expected.height, expected.width, 3)
    return float(np.abs(pixels - on_white(expected)).mean())


@pytest.mark.parametrize(
    ("picture", "options"),
    [
        (scene(), {}),
        (scene().convert("L"), {}),
        (with_alpha(), {}),
        (with_alpha().convert("LA"), {}),
        (scene(), {"tile_size": 128}),  # as phones store them
    ],
    ids=["colour", "grey", "alpha", "grey with alpha", "tiles"],
)
def test_it_decodes_to_the_picture(picture: Image.Image, options: dict[str, Any]) -> None:
    data = encoded(picture, **options)
    assert inspect(data, LIMITS) == ImageInfo("HEIC", "image/heic", WIDTH, HEIGHT)
    assert difference(data, picture) <= LOSSY


@pytest.mark.parametrize(("mode", "picture"), [("RGB;16", scene()), ("L;16", scene().convert("L"))])
def test_ten_bits_are_scaled(mode: str, picture: Image.Image) -> None:
    file = io.BytesIO()
    samples = np.asarray(picture).astype(np.uint16) * 257
    pillow_heif.encode(mode, picture.size, samples.tobytes(), file, quality=95)
    assert pillow_heif.open_heif(file.getvalue()).info["bit_depth"] == 10
    assert difference(file.getvalue(), picture) <= LOSSY


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_turned_once(orientation: int) -> None:
    """The file carries both: the orientation in EXIF, and the turn that libheif makes (`irot` and `imir`)."""
    turns = {
        1: [],
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }[orientation]
    stored = scene()
    for turn in turns:
        stored = stored.transpose(turn)
    data = oriented(stored, orientation)
    assert (b"irot" in data or b"imir" in data) == (orientation > 1)
    assert difference(data, scene()) <= LOSSY


def test_an_orientation_in_exif_alone_turns_nothing() -> None:
    """HEIF leaves turning to its own properties (ISO/IEC 23008-12, annex A.2)."""
    tag = b"\x01\x12\0\3\0\0\0\1\0"
    data = oriented(scene(), 1).replace(tag + b"\1", tag + b"\6")
    assert tag + b"\6" in data
    assert b"irot" not in data
    assert difference(data, scene()) <= LOSSY


def test_of_several_pictures_it_shows_the_primary_one() -> None:
    heif = pillow_heif.from_pillow(Image.new("RGB", (640, 480), "red"))
    heif.add_from_pillow(scene())
    file = io.BytesIO()
    heif.save(file, quality=95, primary_index=1)
    assert inspect(file.getvalue(), LIMITS).width == WIDTH
    assert difference(file.getvalue(), scene()) <= LOSSY


def test_a_thumbnail_is_not_taken_for_the_picture() -> None:
    """Nobody vouches that it shows the same; the pixels must be those of the file without one."""
    large = scene().resize((800, 600))
    plain, thumbed = encoded(large), encoded(large, thumbnails=[400])
    assert pillow_heif.open_heif(thumbed).info["thumbnails"] == [400]
    np.testing.assert_array_equal(decode(thumbed, LIMITS), decode(plain, LIMITS))


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"msf1", b"miaf"])
def test_it_is_known_by_its_brand_or_a_compatible_one(brand: bytes) -> None:
    data = encoded(scene())
    assert data[4:12] == b"ftypheic"
    assert inspect(data[:8] + brand + data[12:], LIMITS).format == "HEIC"


def lying(data: bytes, width: int, height: int) -> bytes:
    """With another size in the header than the coded picture has."""
    at = data.index(b"ispe") + 8
    return data[:at] + width.to_bytes(4) + height.to_bytes(4) + data[at + 8 :]


def test_its_size_is_checked_before_it_is_decoded() -> None:
    data = lying(encoded(scene()), 10_000, 10_000)
    with pytest.raises(ImageError, match="10000 × 10000 pixels") as caught:
        inspect(data, LIMITS)
    assert caught.value.code is ErrorCode.IMAGE_TOO_LARGE


def test_a_picture_larger_than_its_header_says_is_refused() -> None:
    data = lying(encoded(scene().resize((800, 600))), 40, 30)
    with pytest.raises(ImageError, match="damaged") as caught:
        decode(data, LIMITS)
    assert caught.value.code is ErrorCode.NOT_AN_IMAGE

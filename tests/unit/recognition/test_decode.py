"""Every kind of picture decodes to what a plain, full decode of the same picture gives."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.crop import Crop
from burstlens.recognition.decode import DecodeLimits, ImageInfo, decode, decode_whole, inspect

LIMITS = DecodeLimits(max_bytes=10_000_000)
WIDTH, HEIGHT = 400, 300

EXACT = 1.0
LOSSY = 3.0
"""Greatest mean difference from the reference, of 255: chroma is subsampled and coefficients are rounded."""
PALETTE = 8.0
"""An adaptive palette of 256 colours."""


def scene(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth, colourful, and different under every rotation and reflection."""
    y, x = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    channels = [255 * x, 255 * y**2, 127 + 120 * np.sin(5 * x + 9 * y)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def with_alpha() -> Image.Image:
    picture = scene().convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def with_transparent_corner(mode: str) -> Image.Image:
    """The left half of a grey or palette picture is one value, to be declared transparent."""
    picture = scene().convert("L")
    picture.paste(0, (0, 0, WIDTH // 2, HEIGHT))
    return picture if mode == "L" else picture.convert(mode)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def flat(picture: Image.Image) -> Image.Image:
    rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def reference(picture: Image.Image, size: int = 224) -> npt.NDArray[np.int64]:
    """All of the picture on white, cropped and scaled at once: no draft, no shortcut."""
    whole = flat(picture)
    side = min(whole.size) * size / (size + 32)
    left, top = (whole.width - side) / 2, (whole.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(whole.resize((size, size), Image.Resampling.BICUBIC, box=box)).astype(int)


def difference(data: bytes, expected: Image.Image) -> float:
    pixels = decode(data, LIMITS)
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    return float(np.abs(pixels - reference(expected)).mean())


@pytest.mark.parametrize(
    ("picture", "kind", "options", "allowed"),
    [
        (scene(), "JPEG", {"quality": 95}, LOSSY),
        (scene(), "JPEG", {"quality": 95, "progressive": True}, LOSSY),
        (scene().convert("L"), "JPEG", {"quality": 95}, LOSSY),
        (scene().convert("CMYK"), "JPEG", {"quality": 95}, LOSSY),
        (scene(2000, 1500), "JPEG", {"quality": 95}, LOSSY),
        (scene(), "PNG", {}, EXACT),
        (scene().convert("L"), "PNG", {}, EXACT),
        (scene().convert("1"), "PNG", {}, EXACT),
        (scene().quantize(256), "PNG", {}, PALETTE),
        (with_alpha(), "PNG", {}, EXACT),
        (with_alpha().convert("LA"), "PNG", {}, EXACT),
        (scene(2000, 1500), "PNG", {"compress_level": 1}, EXACT),
        (scene(), "GIF", {}, PALETTE),
        (scene(), "WEBP", {"quality": 95}, LOSSY),
        (scene(), "WEBP", {"lossless": True, "method": 0}, EXACT),
        (with_alpha(), "WEBP", {"lossless": True, "method": 0}, EXACT),
        (scene(), "BMP", {}, EXACT),
        (scene().convert("L"), "BMP", {}, EXACT),
        (scene().quantize(256), "BMP", {}, PALETTE),
        (scene(), "TIFF", {}, EXACT),
        (scene(), "TIFF", {"compression": "tiff_lzw"}, EXACT),
        (scene().convert("CMYK"), "TIFF", {}, EXACT),
        (with_alpha(), "TIFF", {"compression": "tiff_adobe_deflate"}, EXACT),
        (scene(), "AVIF", {"quality": 95, "speed": 10}, LOSSY),
        (with_alpha(), "AVIF", {"quality": 95, "speed": 10}, LOSSY),
    ],
)
def test_each_kind_decodes_as_a_full_decode_does(
    picture: Image.Image, kind: str, options: dict[str, Any], allowed: float
) -> None:
    expected = scene() if allowed == PALETTE else picture
    assert difference(encoded(picture, kind, **options), expected) <= allowed


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(kind: str) -> None:
    grey = np.asarray(scene().convert("L"))
    sixteen = Image.fromarray(grey.astype(np.uint16) * 256 + 77)
    assert difference(encoded(sixteen, kind), Image.fromarray(grey)) <= EXACT


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_transparent_colour_shows_white(kind: str, mode: str) -> None:
    data = encoded(with_transparent_corner(mode), kind, transparency=0)
    pixels = decode(data, LIMITS)
    assert (pixels[:, :100] == 255).all()
    assert not (pixels[:, 124:] == 255).all()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_an_animation_is_its_first_frame(kind: str) -> None:
    first, others = scene(), [Image.new("RGB", (WIDTH, HEIGHT), colour) for colour in ("black", "red")]
    data = encoded(first, kind, save_all=True, append_images=others)
    assert difference(data, first) <= PALETTE


def stored(upright: Image.Image, orientation: int) -> Image.Image:
    """How a camera that was held so stores the scene: EXIF 2.3 says which side row 0 and column 0 show."""
    pixels = np.asarray(upright)
    turned = {
        1: pixels,
        2: pixels[:, ::-1],
        3: pixels[::-1, ::-1],
        4: pixels[::-1],
        5: pixels.swapaxes(0, 1),
        6: np.rot90(pixels, 1),
        7: pixels[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(pixels, -1),
    }
    return Image.fromarray(np.ascontiguousarray(turned[orientation]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("PNG", {}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("AVIF", {"quality": 95, "speed": 10}),
    ],
)
def test_an_exif_orientation_is_turned_upright(kind: str, options: dict[str, Any], orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored(scene(), orientation), kind, exif=exif, **options)
    assert difference(data, scene()) <= LOSSY


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow only warns of it, as it will in production
@pytest.mark.parametrize("exif", [b"II*\0\xff\xff\xff\x7f", b"nonsense", b"MM\0*\0\0\0\x08\xff", b""])
def test_a_damaged_exif_block_does_not_cost_the_picture(exif: bytes) -> None:
    assert difference(encoded(scene(), "JPEG", quality=95, exif=b"Exif\0\0" + exif), scene()) <= LOSSY


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (1, 3000), (3000, 1)])
def test_tiny_and_narrow_pictures_decode(size: tuple[int, int]) -> None:
    red = Image.new("RGB", size, (200, 10, 10))
    assert difference(encoded(red, "PNG"), red) <= EXACT
    assert difference(encoded(red, "JPEG"), red) <= LOSSY


def test_the_size_of_the_model_is_the_size_of_the_pixels() -> None:
    pixels = decode(encoded(scene(), "PNG"), LIMITS, Crop.efficientnet(260))
    assert np.abs(pixels - reference(scene(), 260)).mean() <= EXACT


def test_a_crop_says_how_much_of_the_short_side_is_seen() -> None:
    """224 of 256, as ImageNet's classic preprocessing has it, are the centred seven eighths, in either shape."""
    expected = scene().resize((224, 224), Image.Resampling.BILINEAR, box=(68.75, 18.75, 331.25, 281.25))
    crop = Crop(224, 256, interpolation="bilinear")
    np.testing.assert_allclose(decode(encoded(scene(), "PNG"), LIMITS, crop), np.asarray(expected), atol=1)
    upright = scene().transpose(Image.Transpose.TRANSPOSE)
    expected = expected.transpose(Image.Transpose.TRANSPOSE)
    np.testing.assert_allclose(decode(encoded(upright, "PNG"), LIMITS, crop), np.asarray(expected), atol=1)


def test_without_room_round_it_the_crop_is_the_short_side() -> None:
    expected = scene().resize((160, 160), Image.Resampling.BICUBIC, box=(50, 0, 350, 300))
    np.testing.assert_allclose(decode(encoded(scene(), "PNG"), LIMITS, Crop(160, 160)), np.asarray(expected), atol=1)


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_squashed_picture_is_seen_whole(kind: str) -> None:
    picture = scene(1200, 400)
    pixels = decode(encoded(picture, kind), LIMITS, Crop(96, 96, fit="squash"))
    assert np.abs(pixels.astype(int) - np.asarray(picture.resize((96, 96), Image.Resampling.BICUBIC))).mean() <= LOSSY


def whole_difference(data: bytes, expected: Image.Image, longest: int) -> float:
    pixels = decode_whole(data, LIMITS, longest)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (expected.height, expected.width, 3)
    return float(np.abs(pixels.astype(int) - np.asarray(flat(expected))).mean())


@pytest.mark.parametrize(
    ("picture", "kind", "options", "allowed"),
    [
        (scene(), "PNG", {}, 0),
        (scene(), "JPEG", {"quality": 95}, LOSSY),
        (with_alpha(), "PNG", {}, EXACT),
        (scene().quantize(256), "GIF", {}, PALETTE),
        (Image.new("RGB", (1, 3000), (9, 8, 7)), "PNG", {}, 0),
    ],
)
def test_all_of_a_picture_is_decoded_and_never_scaled_up(
    picture: Image.Image, kind: str, options: dict[str, Any], allowed: float
) -> None:
    data = encoded(picture, kind, **options)
    assert whole_difference(data, picture, max(picture.size)) <= allowed
    assert whole_difference(data, picture, 5000) <= allowed


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize(("longest", "size"), [(700, (700, 525)), (333, (333, 250)), (40, (40, 30))])
def test_all_of_a_large_picture_is_scaled_down(kind: str, longest: int, size: tuple[int, int]) -> None:
    picture = scene(2000, 1500)
    expected = picture.resize(size, Image.Resampling.BICUBIC)
    assert whole_difference(encoded(picture, kind), expected, longest) <= LOSSY


@pytest.mark.parametrize("orientation", [6, 7])
def test_all_of_a_picture_is_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored(scene(), orientation), "JPEG", quality=95, exif=exif)
    assert whole_difference(data, scene(), WIDTH) <= LOSSY
    assert whole_difference(data, scene().resize((200, 150), Image.Resampling.BICUBIC), 200) <= LOSSY


@pytest.mark.parametrize(
    ("kind", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("WEBP", "image/webp"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("AVIF", "image/avif"),
    ],
)
def test_inspect_tells_format_and_size(kind: str, content_type: str) -> None:
    assert inspect(encoded(scene(), kind), LIMITS) == ImageInfo(kind, content_type, WIDTH, HEIGHT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_inspect_needs_no_more_than_the_header(kind: str) -> None:
    data = encoded(scene(), kind)
    assert inspect(data[: len(data) // 2], LIMITS).width == WIDTH


@pytest.mark.parametrize("read", [inspect, decode])
def test_the_limits_are_inclusive(read: Callable[[bytes, DecodeLimits], object]) -> None:
    data = encoded(scene(), "PNG")
    read(data, DecodeLimits(max_bytes=len(data), max_pixels=WIDTH * HEIGHT))
    for limits in (DecodeLimits(len(data) - 1), DecodeLimits(len(data), WIDTH * HEIGHT - 1)):
        with pytest.raises(ImageError, match="at most") as refusal:
            read(data, limits)
        assert refusal.value.code is ErrorCode.IMAGE_TOO_LARGE

"""From the bytes of a picture to the pixels that the model takes. The bytes are hostile until proven otherwise."""

import contextlib
import importlib
import io
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.crop import Crop
from burstlens.recognition.endless import refuse_endless
from burstlens.recognition.formats import Format, identify

Pixels = npt.NDArray[np.uint8]
"""Height × width × RGB."""

LITE0_CROP = Crop.efficientnet(224)
"""What the default model takes."""

_ORIENTATION = 0x0112
"""The EXIF tag that says how the camera was held (EXIF 2.3, section 4.6.4)."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture of that EXIF orientation upright; 1 already is."""

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
"""Pillow's modes with at most 8 bits a sample that it can turn into RGB; `I;16…` is handled beside them."""

_REFUSALS = (
    OSError,  # most: truncated data, a codec's error, UnidentifiedImageError
    SyntaxError,  # Pillow's word for a broken header or chunk
    ValueError,  # bad sizes and tags, oversized text chunks (UnicodeError included)
    TypeError,  # TIFF tags of an unexpected type
    AttributeError,  # the same, where a method of the expected type is called
    LookupError,  # IndexError, KeyError: data end early, or an unknown code
    ArithmeticError,  # OverflowError, ZeroDivisionError: sizes and fractions out of range
    AssertionError,  # Pillow asserts the types of what it parsed
    EOFError,  # an animation without its first frame
    RuntimeError,  # libavif's and libwebp's errors, NotImplementedError, RecursionError
    struct.error,  # a field is cut off
    zlib.error,  # a broken PNG stream
    Warning,  # damaged metadata, where the program runs with warnings as errors
)
"""All that Pillow's seven plugins raise on a bad picture: found in their sources, and by 440,000 mutated pictures of
all kinds, which raised nothing else. A type that is not listed is a defect of this list, not of the picture."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one picture may cost."""

    max_bytes: int
    max_pixels: int = 50_000_000
    """A 50-megapixel photo unfolds to 150 MB of RGB."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a picture's header says. Width and height are pixels as stored, before any EXIF orientation."""

    format: str
    content_type: str
    width: int
    height: int


def inspect(data: bytes, limits: DecodeLimits) -> ImageInfo:
    """Read the header only: cheap enough for the web tier to refuse a picture before it is queued.

    Raises:
        ImageError: `NOT_AN_IMAGE`, `UNSUPPORTED_TYPE` or `IMAGE_TOO_LARGE`.
    """
    form = _within(data, limits)
    opener = _opener(form)
    with _refusing(form), _open(opener, data, form, limits) as image:
        return ImageInfo(form.name, form.content_type, image.width, image.height)


def decode(data: bytes, limits: DecodeLimits, crop: Crop = LITE0_CROP) -> Pixels:
    """Decode the first frame, upright and on white, to uint8 pixels of shape ``[crop.size, crop.size, 3]``.

    Raises:
        ImageError: `NOT_AN_IMAGE`, `UNSUPPORTED_TYPE` or `IMAGE_TOO_LARGE`.
    """
    form = _within(data, limits)
    opener = _opener(form)
    with _refusing(form), _open(opener, data, form, limits) as image:
        # libjpeg can leave out what the scaling below would throw away.
        image.draft("RGB", (crop.resize, crop.resize))
        image.load()
        square = _to_eight_bit(image).resize(
            (crop.size, crop.size), _RESAMPLING[crop.interpolation], box=crop.box(image.size), reducing_gap=3.0
        )
        # The crop is centred, so turning it is turning the picture, at a thousandth of the cost.
        turn = _UPRIGHT.get(_orientation(image))
        return np.asarray(_on_white(square if turn is None else square.transpose(turn)))


def _within(data: bytes, limits: DecodeLimits) -> Format:
    if len(data) > limits.max_bytes:
        message = f"the file has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted"
        raise ImageError(ErrorCode.IMAGE_TOO_LARGE, message)
    form = identify(data)
    refuse_endless(data, form.name)
    return form


def _opener(form: Format) -> Callable[[io.BytesIO], ImageFile.ImageFile]:
    """The one plugin class that reads this format.

    `Image.open` is not used: it would import every common plugin, and its own check against decompression bombs only
    warns between one and two times a process-wide limit. A failing import is no fault of the picture.
    """
    opener: Callable[[io.BytesIO], ImageFile.ImageFile]
    opener = getattr(importlib.import_module(f"PIL.{form.plugin}"), form.image_class)
    return opener


def _open(
    opener: Callable[[io.BytesIO], ImageFile.ImageFile], data: bytes, form: Format, limits: DecodeLimits
) -> ImageFile.ImageFile:
    """Parse the header, and check what it announces."""
    image = opener(io.BytesIO(data))
    if image.width * image.height > limits.max_pixels:
        message = f"the picture has {image.width} × {image.height} pixels; at most {limits.max_pixels:,} are accepted"
        raise ImageError(ErrorCode.IMAGE_TOO_LARGE, message)
    if image.mode not in _MODES and not image.mode.startswith("I;16"):
        message = f"a {form.name} with samples of kind {image.mode} is not read here; use 8 or 16 bits per sample"
        raise ImageError(ErrorCode.UNSUPPORTED_TYPE, message)
    return image


@contextlib.contextmanager
def _refusing(form: Format) -> Iterator[None]:
    """Turn whatever a hostile picture makes Pillow raise into an `ImageError`."""
    try:
        yield
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(ErrorCode.IMAGE_TOO_LARGE, f"the {form.name} unfolds to too many pixels") from error
    except _REFUSALS as error:
        message = f"the {form.name} is damaged or incomplete and cannot be decoded"
        raise ImageError(ErrorCode.NOT_AN_IMAGE, message) from error


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be scaled: L, RGB or, where anything is transparent, RGBA."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 and leaves a white picture.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    wanted = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when the metadata are absent or damaged, as image viewers have it."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _REFUSALS:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")

"""From the bytes of a picture to the pixels that the model takes. The bytes are hostile until proven otherwise."""

import contextlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.colour import is_readable, on_white, to_eight_bit
from burstlens.recognition.crop import Crop
from burstlens.recognition.endless import refuse_endless
from burstlens.recognition.formats import Format, identify
from burstlens.recognition.plugin import open_header

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

_TILE_WIDTH = 322
_TILE_LENGTH = 323
"""Tags of TIFF 6.0, section 15."""

_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}

_REDUCING_GAP = 3.0
"""What is left to scale down by after whole blocks of pixels were averaged: Pillow's documentation calls the result
practically indistinguishable from scaling at once."""

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
"""All that the plugins raise on a bad picture: found in their sources, and by 540,000 mutated pictures of all kinds,
which raised nothing else. A type that is not listed is a defect of this list, not of the picture."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one picture may cost."""

    max_bytes: int
    max_pixels: int = 50_000_000
    """A 50-megapixel photo unfolds to 150 MB of RGB."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a picture's header says. Width and height are pixels before any EXIF orientation."""

    format: str
    content_type: str
    width: int
    height: int


def inspect(data: bytes, limits: DecodeLimits) -> ImageInfo:
    """Read the header only: cheap enough for the web tier to refuse a picture before it is queued.

    Raises:
        ImageError: `NOT_AN_IMAGE`, `UNSUPPORTED_TYPE` or `IMAGE_TOO_LARGE`.
    """
    form = _identified(data, limits)
    with _opened(form, data, limits) as image:
        return ImageInfo(form.name, form.content_type, image.width, image.height)


def decode(data: bytes, limits: DecodeLimits, crop: Crop = LITE0_CROP) -> Pixels:
    """Decode the first frame, upright and on white, to uint8 pixels of shape ``[crop.size, crop.size, 3]``.

    Raises:
        ImageError: `NOT_AN_IMAGE`, `UNSUPPORTED_TYPE` or `IMAGE_TOO_LARGE`.
    """
    with _opened(_identified(data, limits), data, limits) as image:
        _load(image, (crop.resize, crop.resize))
        square = to_eight_bit(image).resize(
            (crop.size, crop.size), _RESAMPLING[crop.interpolation], crop.box(image.size), reducing_gap=_REDUCING_GAP
        )
        # The crop is centred, so turning it is turning the picture, at a thousandth of the cost.
        return np.asarray(on_white(_upright(square, image)))


def decode_whole(data: bytes, limits: DecodeLimits, longest: int) -> Pixels:
    """Decode all of the first frame, upright and on white, to uint8 pixels of shape ``[height, width, 3]``.

    A picture whose longer side has more than `longest` pixels is scaled down to that; none is scaled up.

    Raises:
        ImageError: `NOT_AN_IMAGE`, `UNSUPPORTED_TYPE` or `IMAGE_TOO_LARGE`.
    """
    with _opened(_identified(data, limits), data, limits) as image:
        shrink = min(1.0, longest / max(image.size))
        size = max(1, round(image.width * shrink)), max(1, round(image.height * shrink))
        _load(image, size)
        # Scaling to the same size is a copy.
        whole = to_eight_bit(image).resize(size, Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
        return np.asarray(on_white(_upright(whole, image)))


def _identified(data: bytes, limits: DecodeLimits) -> Format:
    if len(data) > limits.max_bytes:
        message = f"the file has {len(data):,} bytes; at most {limits.max_bytes:,} are accepted"
        raise ImageError(ErrorCode.IMAGE_TOO_LARGE, message)
    form = identify(data)
    refuse_endless(data, form.name)
    return form


@contextlib.contextmanager
def _opened(form: Format, data: bytes, limits: DecodeLimits) -> Iterator[ImageFile.ImageFile]:
    """The picture with its header parsed and checked; whatever a hostile one raises in here becomes an `ImageError`."""
    try:
        with open_header(form, data) as image:
            _check(image, form, limits)
            yield image
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(ErrorCode.IMAGE_TOO_LARGE, f"the {form.name} unfolds to too many pixels") from error
    except _REFUSALS as error:
        message = f"the {form.name} is damaged or incomplete and cannot be decoded"
        raise ImageError(ErrorCode.NOT_AN_IMAGE, message) from error


def _check(image: ImageFile.ImageFile, form: Format, limits: DecodeLimits) -> None:
    """Refuse what the header announces, if it is too much or of no use."""
    for what, (width, height) in (("picture", image.size), ("picture's tile", _tile(image))):
        if width * height > limits.max_pixels:
            message = f"the {what} has {width} × {height} pixels; at most {limits.max_pixels:,} are accepted"
            raise ImageError(ErrorCode.IMAGE_TOO_LARGE, message)
    if not is_readable(image.mode):
        message = f"a {form.name} with samples of kind {image.mode} is not read here; use 8 or 16 bits per sample"
        raise ImageError(ErrorCode.UNSUPPORTED_TYPE, message)


def _tile(image: ImageFile.ImageFile) -> tuple[int, int]:
    """Width and height of a TIFF's tiles, which may be larger than the picture, and which libtiff makes room for."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)


def _load(image: ImageFile.ImageFile, least: tuple[int, int]) -> None:
    """Decode to no less than this width and height."""
    if image.format == "JPEG":
        # libjpeg can leave out what will be scaled away (docs/decisions/0007-fast-decode.md). Nobody else is asked:
        # a HEIC's plugin would take a thumbnail for the picture.
        image.draft("RGB", least)
    image.load()


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 when the metadata are absent or damaged, as image viewers have it."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _REFUSALS:
        return 1
    return orientation if isinstance(orientation, int) else 1


def _upright(pixels: Image.Image, image: Image.Image) -> Image.Image:
    """The pixels turned as the metadata of their image ask for."""
    turn = _UPRIGHT.get(_orientation(image))
    return pixels if turn is None else pixels.transpose(turn)

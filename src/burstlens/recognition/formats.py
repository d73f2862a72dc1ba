"""Which kinds of picture are read, told by their first bytes: neither a file name nor a content type is believed."""

import re
from dataclasses import dataclass

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError

_HEAD_BYTES = 256
"""As much as any pattern below needs."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of picture that is read, and the Pillow class that reads it."""

    name: str
    content_type: str
    magic: re.Pattern[bytes]
    plugin: str
    """Module; imported when the first such picture comes, as all of them together take 0.2 s."""
    image_class: str
    extra: str = ""
    """The extra of burstlens that brings the module; empty: it is always there."""


def _magic(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


FORMATS = (
    Format("JPEG", "image/jpeg", _magic(rb"\xff\xd8\xff"), "PIL.JpegImagePlugin", "JpegImageFile"),
    Format("PNG", "image/png", _magic(rb"\x89PNG\r\n\x1a\n"), "PIL.PngImagePlugin", "PngImageFile"),
    Format("GIF", "image/gif", _magic(rb"GIF8[79]a"), "PIL.GifImagePlugin", "GifImageFile"),
    Format("WEBP", "image/webp", _magic(rb"RIFF.{4}WEBP"), "PIL.WebPImagePlugin", "WebPImageFile"),
    Format("BMP", "image/bmp", _magic(rb"BM"), "PIL.BmpImagePlugin", "BmpImageFile"),
    Format("TIFF", "image/tiff", _magic(rb"II[*+]\0|MM\0[*+]"), "PIL.TiffImagePlugin", "TiffImageFile"),
    Format(
        # The brand may also stand behind `mif1` or `miaf`, among the compatible ones (AVIF 1.1, section 6).
        "AVIF",
        "image/avif",
        _magic(rb".{4}ftyp(?:.{4}){0,12}?avi[fs]"),
        "PIL.AvifImagePlugin",
        "AvifImageFile",
    ),
    Format(
        # The brands of HEVC pictures and sequences, or those of any codec (ISO/IEC 23008-12, annexes B and 10).
        "HEIC",
        "image/heic",
        _magic(rb".{4}ftyp(?:.{4}){0,12}?(?:he[iv][cxms]|mif1|msf1)"),
        "pillow_heif",
        "HeifImageFile",
        extra="heif",
    ),
)
"""The kinds that are read. JPEG is first as most requests carry it; AVIF is before HEIC as both may name `mif1`."""

_REFUSED = (
    ("JPEG 2000", _magic(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51")),
    ("JPEG XL", _magic(rb"\xff\x0a|\0\0\0\x0cJXL ")),
    ("ICO", _magic(rb"\0\0\x01\0[^\0]\0")),
    ("CUR", _magic(rb"\0\0\x02\0[^\0]\0")),
    ("ICNS", _magic(rb"icns")),
    ("PSD", _magic(rb"8BPS\0")),
    ("DDS", _magic(rb"DDS ")),
    ("EXR", _magic(rb"\x76\x2f\x31\x01")),
    ("QOI", _magic(rb"qoif")),
    ("FITS", _magic(rb"SIMPLE  =")),
    ("PNM", _magic(rb"P[1-7]\s")),
    ("SVG", _magic(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*<svg")),
    ("PostScript", _magic(rb"%!PS")),
    ("PDF", _magic(rb"%PDF-")),
)
"""Pictures, too, but not read here: worth another answer than "not a picture"."""

READ_HERE = ", ".join(form.name for form in FORMATS if not form.extra)
"""For messages: the kinds that are read everywhere."""


def identify(data: bytes) -> Format:
    """The kind of picture that `data` begins as; only its first bytes are looked at.

    Raises:
        ImageError: `UNSUPPORTED_TYPE` for a kind that is known but not read, else `NOT_AN_IMAGE`.
    """
    if not data:
        raise ImageError(ErrorCode.NOT_AN_IMAGE, "the file is empty")
    head = data[:_HEAD_BYTES]
    for form in FORMATS:
        if form.magic.match(head):
            return form
    for name, magic in _REFUSED:
        if magic.match(head):
            raise ImageError(ErrorCode.UNSUPPORTED_TYPE, f"{name} pictures are not read here; send one of {READ_HERE}")
    raise ImageError(ErrorCode.NOT_AN_IMAGE, "the file is not a picture")

"""Refusing files that are small but take for ever to read, before anything reads them."""

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError

MAX_SCANS = 100
"""Of a progressive JPEG: encoders make about ten, and each costs a pass over all pixels, however few its bytes are."""

MAX_SEGMENTS = 2_000
"""Before a JPEG's or PNG's pixels begin: cameras write some ten, and each costs Pillow a turn of Python."""

_START_OF_SCAN = b"\xff\xda"
"""Marker that begins a scan; it cannot occur in coded data (ITU-T T.81, B.1.1.5)."""


def refuse_endless(data: bytes, kind: str) -> None:
    """Refuse a JPEG or PNG whose structure costs far more time than its size would.

    Raises:
        ImageError: `IMAGE_TOO_LARGE`.
    """
    if kind == "JPEG":
        pixels = _jpeg_pixels(data)
        if not _is_one_scan(data, *pixels) and data.count(_START_OF_SCAN) > MAX_SCANS:
            raise ImageError(ErrorCode.IMAGE_TOO_LARGE, f"the JPEG has more than {MAX_SCANS} scans")
    elif kind == "PNG":
        _walk_png(data)


def _jpeg_pixels(data: bytes) -> tuple[int, int]:
    """Where the first scan and the frame header begin (ITU-T T.81, annex B); 0 for what is not there."""
    position, frame = 2, 0
    for _ in range(MAX_SEGMENTS):
        marker = data[position : position + 2]
        if len(marker) < 2:
            return 0, frame
        if marker == _START_OF_SCAN:
            return position, frame
        if marker[0] != 0xFF or marker[1] in _BARE:
            position += 1  # stuffing, filling or a marker without a length: a step of its own, as for Pillow
            continue
        if marker[1] in _FRAMES:
            frame = position
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    raise _too_many_segments("JPEG")


def _is_one_scan(data: bytes, scan: int, frame: int) -> bool:
    """Whether a decoder stops after the first scan: a sequential picture with all components in it."""
    sequential = data[frame + 1 : frame + 2] in {b"\xc0", b"\xc1"}
    return sequential and data[scan + 4 : scan + 5] == data[frame + 9 : frame + 10]


def _walk_png(data: bytes) -> None:
    """Look whether the pixels begin in time (PNG specification, 5.3: length, name, data and checksum)."""
    position = 8
    for _ in range(MAX_SEGMENTS):
        if position >= len(data) or data[position + 4 : position + 8] == b"IDAT":
            return
        position += 12 + int.from_bytes(data[position : position + 4])
    raise _too_many_segments("PNG")


def _too_many_segments(kind: str) -> ImageError:
    message = f"the {kind} has more than {MAX_SEGMENTS:,} segments before its pixels"
    return ImageError(ErrorCode.IMAGE_TOO_LARGE, message)


_BARE = frozenset({0x00, 0x01, 0xFF, *range(0xD0, 0xDA)})
"""Second bytes of markers that have no length (T.81, table B.1), of stuffing and of filling."""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Second bytes of the markers that begin a frame header: all of C0 to CF but DHT, JPG and DAC (T.81, table B.1)."""

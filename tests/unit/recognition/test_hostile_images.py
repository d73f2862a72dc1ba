"""Whatever the bytes are, the answer is pixels or an `ImageError`: never another exception, never a huge allocation."""

import contextlib
import io
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, decode, decode_whole, inspect
from burstlens.workload.bundled import bundled_photos

LIMITS = DecodeLimits(max_bytes=1_000_000, max_pixels=2_000_000)
KINDS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIC")

Read = Callable[[bytes, DecodeLimits], object]


def photo() -> Image.Image:
    with Image.open(bundled_photos()[0].path) as original:
        return original.convert("RGB").resize((80, 60))


PHOTO = photo()


def encoded(kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(PHOTO).save(file, **options)
    else:
        PHOTO.save(file, kind, **options)
    return file.getvalue()


PICTURES = {kind: encoded(kind) for kind in KINDS}


def png(width: int, height: int, *more: tuple[bytes, bytes]) -> bytes:
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), *more, (b"IEND", b""))
    parts = (struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4) for name, body in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def gif(screen: int, frame: int) -> bytes:
    header = b"GIF89a" + struct.pack("<HHBBB", screen, screen, 0, 0, 0)
    return header + b"," + struct.pack("<HHHHB", 0, 0, frame, frame, 0) + b"\2\0;"


def webp(side: int) -> bytes:
    extent = (side - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + extent + extent
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff(tile: int) -> bytes:
    """A picture of 100 × 100 pixels in one deflated tile of that width and height (TIFF 6.0, section 15)."""
    body = zlib.compress(bytes(10_000))
    longs = ((256, 100), (257, 100), (322, tile), (323, tile), (324, 134), (325, len(body)))
    shorts = ((258, 8), (259, 8), (262, 1), (277, 1))
    tags = [(tag, 4, 1, value) for tag, value in longs] + [(tag, 3, 1, value) for tag, value in shorts]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + directory + bytes(4) + body


def refusal(read: Read, data: bytes) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read(data, LIMITS)
    return caught.value


@pytest.mark.parametrize("read", [inspect, decode])
@pytest.mark.parametrize(
    "bomb",
    [
        png(30_000, 30_000, (b"IDAT", zlib.compress(bytes(900_000)))),
        png(2_000_001, 1),
        png(2**31 - 1, 2**31 - 1),
        gif(65_535, 65_535),
        gif(10, 10_000),
        webp(16_384),
        tiff(20_000),
    ],
    ids=["png-900-megapixels", "png-one-too-many", "png-largest", "gif-screen", "gif-frame", "webp", "tiff-tile"],
)
def test_a_decompression_bomb_is_refused_by_its_header(read: Read, bomb: bytes) -> None:
    tracemalloc.start()
    try:
        assert refusal(read, bomb).code is ErrorCode.IMAGE_TOO_LARGE
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 10_000_000


def test_a_bomb_in_a_text_chunk_is_refused() -> None:
    bomb = png(8, 8, (b"zTXt", b"comment\0\0" + zlib.compress(bytes(80_000_000))))
    assert refusal(inspect, bomb).code is ErrorCode.NOT_AN_IMAGE


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_truncated_picture_is_refused(kind: str, kept: float) -> None:
    data = PICTURES[kind]
    error = refusal(decode, data[: int(len(data) * kept)])
    assert error.code is ErrorCode.NOT_AN_IMAGE
    assert "damaged or incomplete" in str(error)


@pytest.mark.parametrize("read", [inspect, decode])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"hello, world\n", "the file is not a picture"),
        (b"BMW is not a bitmap", "the BMP is damaged"),
        (b"\0" * 5000, "the file is not a picture"),
        (random.Random(5).randbytes(5000), "the file is not a picture"),
        (b"PK\3\4" + b"\0" * 100, "the file is not a picture"),
        *((data[:24], f"the {kind} is damaged") for kind, data in PICTURES.items() if kind not in {"PNG", "GIF"}),
    ],
)
def test_what_is_no_picture_is_told_so(read: Read, data: bytes, sentence: str) -> None:
    error = refusal(read, data)
    assert error.code is ErrorCode.NOT_AN_IMAGE
    assert str(error).startswith(sentence)


def as_float_tiff() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((4, 4), np.float32)).save(file, "TIFF")
    return file.getvalue()


@pytest.mark.parametrize("read", [inspect, decode])
@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encoded("ICO"), "ICO"),
        (encoded("PPM"), "PNM"),
        (encoded("JPEG2000"), "JPEG 2000"),
        (encoded("DDS"), "DDS"),
        (encoded("EPS"), "PostScript"),
        (encoded("PDF"), "PDF"),
        (b"8BPS\0\1" + bytes(100), "PSD"),
        (b"\xff\x0a" + bytes(100), "JPEG XL"),
        (b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="s"></svg>', "SVG"),
        (as_float_tiff(), "a TIFF with samples of kind F"),
    ],
)
def test_a_picture_of_a_kind_that_is_not_read_is_told_so(read: Read, data: bytes, name: str) -> None:
    error = refusal(read, data)
    assert error.code is ErrorCode.UNSUPPORTED_TYPE
    assert str(error).startswith(name)


MUTATIONS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=4), st.integers(0, 4)), max_size=8)
"""Each: where (as a share of the file), what is put there, and how many bytes it replaces."""


@settings(deadline=None, max_examples=400)
@given(kind=st.sampled_from(KINDS), mutations=MUTATIONS, kept=st.sampled_from([1.0, 1.0, 0.9, 0.2]))
def test_a_mutated_picture_gives_pixels_or_an_image_error(
    kind: str, mutations: list[tuple[float, bytes, int]], kept: float
) -> None:
    data = bytearray(PICTURES[kind])
    for share, new, replaced in mutations:
        at = int(share * len(data))
        data[at : at + replaced] = new
    mutated = bytes(data[: int(len(data) * kept)])
    with contextlib.suppress(ImageError):
        assert decode(mutated, LIMITS).shape == (224, 224, 3)
    with contextlib.suppress(ImageError):
        assert max(decode_whole(mutated, LIMITS, 50).shape) <= 50


@settings(deadline=None, max_examples=200)
@given(head=st.sampled_from([data[:16] for data in PICTURES.values()]), tail=st.binary(max_size=300))
def test_noise_after_a_true_beginning_gives_an_image_error(head: bytes, tail: bytes) -> None:
    with pytest.raises(ImageError):
        decode(head + tail, LIMITS)


@pytest.mark.parametrize("read", [inspect, decode])
def test_a_progressive_jpeg_with_scans_without_end_is_refused_before_decoding(read: Read) -> None:
    """Each scan costs a pass over all pixels, however few its bytes are."""
    data = encoded("JPEG", progressive=True)
    assert data.count(b"\xff\xda") < 20
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    read(data[:-2] + 50 * scan + data[-2:], LIMITS)
    with pytest.raises(ImageError, match="more than 100 scans") as caught:
        read(data[:-2] + 200 * scan + data[-2:], LIMITS)
    assert caught.value.code is ErrorCode.IMAGE_TOO_LARGE


def after_start(kind: str, junk: bytes) -> bytes:
    """A picture with junk between its signature and what it begins with."""
    data = PICTURES[kind]
    begins = 2 if kind == "JPEG" else 33  # a PNG must begin with its header chunk
    return data[:begins] + junk + data[begins:]


EMPTY_CHUNK = b"\0\0\0\0teSt" + zlib.crc32(b"teSt").to_bytes(4)


@pytest.mark.parametrize("read", [inspect, decode])
@pytest.mark.parametrize(
    ("kind", "junk"), [("JPEG", b"\xff\xfe\0\2"), ("JPEG", b"\xff"), ("JPEG", b"\xff\xd0"), ("PNG", EMPTY_CHUNK)]
)
def test_a_header_without_end_is_refused_before_it_is_read(read: Read, kind: str, junk: bytes) -> None:
    read(after_start(kind, 500 * junk), LIMITS)
    with pytest.raises(ImageError, match="segments before its pixels") as caught:
        read(after_start(kind, 5_000 * junk), LIMITS)
    assert caught.value.code is ErrorCode.IMAGE_TOO_LARGE


def test_start_markers_inside_metadata_are_no_scans() -> None:
    """A photo may carry thumbnails, and a plain one is decoded once whatever its bytes look like."""
    comment = b"\xff\xfe" + (2 + 400).to_bytes(2) + 200 * b"\xff\xda"
    decode(after_start("JPEG", comment), LIMITS)

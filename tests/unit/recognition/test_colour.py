"""More than 8 bits a sample are scaled, not clipped, whatever they mean."""

import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from burstlens.recognition.decode import DecodeLimits, decode_whole

LIMITS = DecodeLimits(max_bytes=1_000_000)
WIDTH, HEIGHT = 48, 32

Samples = npt.NDArray[np.uint16]


def samples(channels: int, bits: int = 16) -> Samples:
    """Every channel is a gradient of its own, from nothing to full scale."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    ramps = [x / (WIDTH - 1), y / (HEIGHT - 1), (x + y) / (WIDTH + HEIGHT - 2), (1 + x) / WIDTH]
    return np.stack([ramp * (2**bits - 1) for ramp in ramps[:channels]], axis=-1).astype(np.uint16)


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + zlib.crc32(name + body).to_bytes(4)


def png(pixels: Samples, transparent: bytes = b"") -> bytes:
    """A PNG with 16 bits a sample (PNG specification, 11.2.2): Pillow writes only grey ones."""
    height, width, channels = pixels.shape
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    middle = chunk(b"tRNS", transparent) if transparent else b""
    parts = chunk(b"IHDR", header) + middle + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def tiff(pixels: Samples, order: str, photometric: int, bits: int = 16) -> bytes:
    """An uncompressed TIFF with one strip (TIFF 6.0, sections 2 and 8)."""
    height, width, channels = pixels.shape
    body = packed_12(pixels) if bits == 12 else pixels.astype(order + "u2").tobytes()
    directory = 8 + 2 + 9 * 12 + 4
    extra = struct.pack(f"{order}{channels}H", *[bits] * channels) if channels > 1 else b""
    entries = [
        (256, width),
        (257, height),
        (258, directory if extra else bits),
        (259, 1),
        (262, photometric),
        (273, directory + len(extra)),
        (277, channels),
        (278, height),
        (279, len(body)),
    ]
    tags = b"".join(
        struct.pack(f"{order}HHI", tag, 3, channels) + struct.pack(f"{order}I", value)
        if tag == 258 and extra
        else struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)
        for tag, value in entries
    )
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IH", 8, len(entries)) + tags + bytes(4) + extra + body


def packed_12(pixels: Samples) -> bytes:
    first, second = pixels.reshape(-1, 2).T
    triples = [first >> 4, (first & 15) << 4 | second >> 8, second & 255]
    return np.stack(triples, axis=-1).astype(np.uint8).tobytes()


def on_white(eight: npt.NDArray[np.uint8], mode: str) -> npt.NDArray[np.int64]:
    picture = Image.frombytes(mode, (WIDTH, HEIGHT), np.ascontiguousarray(eight).tobytes()).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB")).astype(int)


def assert_shows(data: bytes, pixels: Samples, bits: int = 16) -> None:
    expected = on_white(
        (pixels >> (bits - 8)).astype(np.uint8), {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    )
    np.testing.assert_allclose(decode_whole(data, LIMITS, WIDTH), expected, atol=1)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_png_of_sixteen_bits_is_scaled(channels: int) -> None:
    """Grey, grey with alpha, colour, and colour with alpha."""
    assert_shows(png(samples(channels)), samples(channels))


def test_a_transparent_grey_of_sixteen_bits_shows_white() -> None:
    pixels = samples(1)
    pixels[8:24, 12:36] = 0x1234
    shown = decode_whole(png(pixels, transparent=b"\x12\x34"), LIMITS, WIDTH)
    assert (shown[8:24, 12:36] == 255).all()
    assert (shown[:8, 12:36] == pixels[:8, 12:36] >> 8).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_of_sixteen_bits_is_scaled(order: str, channels: int) -> None:
    assert_shows(tiff(samples(channels), order, photometric=2 if channels == 3 else 1), samples(channels))


def test_a_tiff_whose_zero_is_white_is_not_shown_as_a_negative() -> None:
    assert_shows(tiff(samples(1), "<", photometric=0), 65535 - samples(1))


def test_a_tiff_of_twelve_bits_is_scaled() -> None:
    assert_shows(tiff(samples(1, bits=12), "<", photometric=1, bits=12), samples(1, bits=12), bits=12)

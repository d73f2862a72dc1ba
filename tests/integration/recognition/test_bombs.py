"""What a picture's header announces beyond the limit is refused before memory is taken for it, whatever its kind."""

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image

KINDS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIC")

CHILD = """
import json, re, sys
from pathlib import Path
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, decode

def peak():
    # not getrusage: that counts what this process was before it became another program
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

limits = DecodeLimits(max_bytes=20 * 2**20)
picture, bomb = (Path(name).read_bytes() for name in sys.argv[1:])
decode(picture, limits)  # what the plugin itself takes is not the bomb's doing
before = peak()
try:
    decode(bomb, limits)
    code = "decoded"
except ImageError as error:
    code = error.code
print(json.dumps([code, peak() - before]))
"""


WIDTH, HEIGHT = 128, 64
SIDE = 10_000
"""Of the bomb: 100 megapixels."""


def stored(kind: str, width: int, height: int) -> bytes:
    """Width and height as the header of that kind has them."""
    if kind == "WEBP":
        return (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    if kind == "JPEG":
        return struct.pack(">HH", height, width)
    return struct.pack({"GIF": "<HH", "BMP": "<ii"}.get(kind, ">II"), width, height)


def encoded(kind: str) -> bytes:
    picture = Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 30))
    file = io.BytesIO()
    if kind == "HEIC":
        pillow_heif.from_pillow(picture).save(file)
    else:
        # of a WebP only an animation has a size of its own, beside those of its frames
        picture.save(file, kind, save_all=kind == "WEBP", append_images=[Image.new("RGB", picture.size)])
    return file.getvalue()


def bomb(kind: str) -> bytes:
    """The same picture with another size in its header."""
    data = encoded(kind)
    if kind == "TIFF":
        for tag, pixels in ((256, WIDTH), (257, HEIGHT)):
            entry = struct.pack("<HHI", tag, 4, 1)
            assert entry + struct.pack("<I", pixels) in data
            data = data.replace(entry + struct.pack("<I", pixels), entry + struct.pack("<I", SIDE))
        return data
    before, after = stored(kind, WIDTH, HEIGHT), stored(kind, SIDE, SIDE)
    assert before in data
    data = data.replace(before, after)
    return data[:29] + zlib.crc32(data[12:29]).to_bytes(4) + data[33:] if kind == "PNG" else data


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb_is_refused_within_50_mb(kind: str, tmp_path: Path) -> None:
    files = {"picture": encoded(kind), "bomb": bomb(kind)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-c", CHILD, *(str(tmp_path / name) for name in files)]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    code, kilobytes = json.loads(run.stdout)
    assert code == "image-too-large"
    assert kilobytes < 50_000

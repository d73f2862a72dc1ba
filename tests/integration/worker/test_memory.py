"""A picture whose header lies about its size costs no more memory than a worker may take."""

import io
import subprocess
import sys

from PIL import Image

DECODE = """
import re, sys
from pathlib import Path
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, decode
from burstlens.worker import memory

def peak() -> int:
    # not getrusage: that counts what this process was before it became another program
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

memory._SLACK_BYTES = int(sys.argv[1])
picture, *good = sys.stdin.buffer.read().split(b"|next|")
decode(good[0], DecodeLimits(10**7))
memory.bound_memory(max_pixels=10**6)
before = peak()
try:
    decode(picture, DecodeLimits(10**7))
    print("decoded", end=" ")
except ImageError as error:
    print(error.code, end=" ")
print((peak() - before) // 1024, decode(good[0], DecodeLimits(10**7)).shape)
"""


def lying() -> bytes:
    """An AVIF of 4,096 × 4,096 pixels, 50 MB of samples, whose header says 400 × 300."""
    data = encoded(4096, 4096)
    sizes = data.index(b"ispe") + 8
    return data[:sizes] + (400).to_bytes(4, "big") + (300).to_bytes(4, "big") + data[sizes + 8 :]


def encoded(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "AVIF", speed=10, subsampling="4:4:4")
    return file.getvalue()


def decoded(slack_bytes: int) -> list[str]:
    """What became of the lying picture, megabytes more at the peak, and whether a good one is decoded afterwards."""
    run = subprocess.run(
        [sys.executable, "-c", DECODE, str(slack_bytes)],
        input=lying() + b"|next|" + encoded(400, 300),
        capture_output=True,
        check=True,
        timeout=50,
    )
    return run.stdout.decode().split(maxsplit=2)


def test_a_picture_that_takes_more_than_its_header_says_is_refused_and_the_worker_goes_on() -> None:
    outcome, grown, good = decoded(8 * 2**20)
    assert outcome == "not-an-image"
    assert int(grown) < 24
    assert good == "(224, 224, 3)\n"


def test_without_the_bound_it_takes_what_it_wants() -> None:
    outcome, grown, _ = decoded(2**40)
    assert outcome == "decoded"
    assert int(grown) > 50


def test_a_lower_limit_that_is_there_stays() -> None:
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            "import resource\nfrom burstlens.worker.memory import bound_memory\n"
            "resource.setrlimit(resource.RLIMIT_DATA, (2**29, 2**30))\nbound_memory(10**9)\n"
            "print(*resource.getrlimit(resource.RLIMIT_DATA))",
        ],
        capture_output=True,
        check=True,
        text=True,
    )
    assert run.stdout.split() == [str(2**29), str(2**30)]

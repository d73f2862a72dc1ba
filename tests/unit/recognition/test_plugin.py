"""A picture is read by one class in one thread, and nobody else's settings are touched."""

import io
import sys
import time

import numpy as np
import pillow_heif
import pytest
from PIL import AvifImagePlugin, Image

from burstlens.messages import ErrorCode
from burstlens.recognition.base import ImageError
from burstlens.recognition.decode import DecodeLimits, decode

LIMITS = DecodeLimits(max_bytes=10_000_000)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed=3).integers(0, 255, (height, width, 3), np.uint8))


def avif(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "AVIF", quality=80, speed=10)
    return file.getvalue()


def heic(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file)
    return file.getvalue()


def test_without_its_package_a_heic_is_of_an_unsupported_type(monkeypatch: pytest.MonkeyPatch) -> None:
    data = heic(noise(64, 64))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # what an import of a missing package finds
    with pytest.raises(ImageError) as caught:
        decode(data, LIMITS)
    assert caught.value.code is ErrorCode.UNSUPPORTED_TYPE
    assert str(caught.value) == (
        "HEIC pictures are not read here without burstlens[heif]; send one of JPEG, PNG, GIF, WEBP, BMP, TIFF, AVIF"
    )


def test_a_package_that_is_broken_is_no_fault_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    data = avif(noise(64, 64))
    monkeypatch.setitem(sys.modules, "PIL.AvifImagePlugin", None)
    with pytest.raises(ImportError):
        decode(data, LIMITS)


def test_an_avif_is_decoded_by_the_thread_that_asks() -> None:
    """So that the limit on its CPU time holds, and other processes keep their cores."""
    data = avif(noise(1200, 900))
    process, thread = time.process_time(), time.thread_time()
    decode(data, LIMITS)
    thread = time.thread_time() - thread
    others = time.process_time() - process - thread
    assert others < thread / 2


def test_the_number_of_threads_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AvifImagePlugin, "DEFAULT_MAX_THREADS", 5)
    monkeypatch.setattr(pillow_heif.options, "DECODE_THREADS", 6)
    for data in (avif(noise(64, 64)), heic(noise(64, 64)), b"\0\0\0\x18ftypheic", b"\0\0\0\x18ftypavif"):
        try:
            decode(data, LIMITS)
        except ImageError:
            assert len(data) == 12
    assert AvifImagePlugin.DEFAULT_MAX_THREADS == 5
    assert pillow_heif.options.DECODE_THREADS == 6

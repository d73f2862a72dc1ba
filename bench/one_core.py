"""What `recognition.py` runs in processes of its own: the model, the decoder and both together, and a whole start."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import BrokenBarrierError
from time import perf_counter
from typing import Any

from burstlens.recognition.classifier import DEFAULT_LIMITS, Classifier
from burstlens.recognition.decode import decode
from burstlens.recognition.loading import load_classifier
from burstlens.workload.bundled import bundled_photos

_BARRIER_SECONDS = 60.0

_START = """
import sys
from burstlens.recognition.loading import load_classifier
(outcome,) = load_classifier().recognise([open(sys.argv[1], "rb").read()])
print(outcome.top[0].label, flush=True)
print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@dataclass(frozen=True, slots=True)
class Times:
    """CPU seconds for one image, over all photos, each part in turn with the others."""

    decode: float
    infer: float
    whole: float
    infer_wall: float


@dataclass(frozen=True, slots=True)
class Span:
    """What one process recognised in the time given to it."""

    count: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Start:
    """One process from its start to its first label."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    classifier: Classifier
    crop: Any
    images: Sequence[bytes]
    barrier: Any


_loaded: list[_Loaded] = []


def load(barrier: Any) -> None:  # noqa: ANN401 - a spawned barrier has no public type
    """Load the default model in this process, and warm it."""
    from burstlens.recognition.sources import find_model

    images = [photo.path.read_bytes() for photo in bundled_photos()]
    classifier = load_classifier()
    classifier.recognise(images)
    _loaded.append(_Loaded(classifier, find_model("lite0").manifest.crop, images, barrier))


def parts(passes: int) -> Times:
    """Each photo decoded, inferred, and recognised, by turns."""
    (here,) = _loaded
    sums, wall, count = [0.0, 0.0, 0.0], 0.0, 0
    for image in list(here.images) * passes:
        tensor = here.classifier.decode(image)
        steps: list[Callable[[], object]] = [
            partial(decode, image, DEFAULT_LIMITS, here.crop),
            partial(here.classifier.session.run, tensor),
            partial(here.classifier.recognise, [image]),
        ]
        for index, step in enumerate(steps):
            began, before = perf_counter(), time.thread_time()
            step()
            sums[index] += time.thread_time() - before
            wall += perf_counter() - began if index == 1 else 0.0
        count += 1
    return Times(sums[0] / count, sums[1] / count, sums[2] / count, wall / count)


def alone(seconds: float) -> Span:
    """Recognise for this long."""
    (here,) = _loaded
    began, before, count = perf_counter(), time.process_time(), 0
    while perf_counter() - began < seconds:
        here.classifier.recognise([here.images[count % len(here.images)]])
        count += 1
    return Span(count, perf_counter() - began, time.process_time() - before)


def together(seconds: float) -> Span:
    """The same, begun when all processes are there."""
    try:
        _loaded[0].barrier.wait(_BARRIER_SECONDS)
    except BrokenBarrierError:
        message = "the other processes did not come to the start"
        raise RuntimeError(message) from None
    return alone(seconds)


def start(cache: Path) -> Start:
    """Start a process that recognises one photo; an empty `cache` has it convert the model first.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    photo = bundled_photos()[0]
    command = [sys.executable, "-c", _START, str(photo.path)]
    before = os.times()
    began = perf_counter()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "BURSTLENS_CACHE": str(cache)}
    ) as process:
        assert process.stdout is not None
        label = process.stdout.readline().strip()
        seconds = perf_counter() - began
        rest = process.stdout.read()
    if process.returncode != 0 or label != photo.label:
        raise subprocess.CalledProcessError(process.returncode, command[:2], label)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Start(seconds, cpu, int(rest) * 1024)

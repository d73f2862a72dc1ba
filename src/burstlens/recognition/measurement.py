"""How fast a model recognises on one core of this machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice

from burstlens.recognition.base import ImageError
from burstlens.recognition.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Measurement:
    """Medians over `images` recognitions, in seconds of CPU time of this thread: what others do here adds little."""

    images: int
    decode_seconds: float
    infer_seconds: float
    whole_seconds: float
    """From the bytes of the picture to its labels."""


def measure(classifier: Classifier, pictures: Sequence[bytes], images: int = 100) -> Measurement:
    """Recognise `images` times, going round the `pictures`; a tenth more before it, to warm up.

    The three figures are taken in turns, so that a slow moment of the machine slows all of them.

    Raises:
        ImageError: one of the pictures cannot be decoded.
    """
    decoded, inferred, whole = [], [], []
    for picture in islice(cycle(pictures), images + images // 10):
        tensor = classifier.decode(picture)
        decoded.append(_cpu_seconds(partial(classifier.decode, picture)))
        inferred.append(_cpu_seconds(partial(classifier.infer, tensor)))
        whole.append(_cpu_seconds(partial(_recognise, classifier, picture)))
    return Measurement(
        images,
        statistics.median(decoded[-images:]),
        statistics.median(inferred[-images:]),
        statistics.median(whole[-images:]),
    )


def _recognise(classifier: Classifier, picture: bytes) -> None:
    (outcome,) = classifier.recognise([picture])
    if isinstance(outcome, ImageError):
        raise outcome


def _cpu_seconds(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return time.thread_time() - before

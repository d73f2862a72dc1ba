"""The recogniser whose labels are the names of people."""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from burstlens.messages import Score
from burstlens.recognition.base import ImageError, Recognition
from burstlens.recognition.classifier import softmax
from burstlens.recognition.decode import DecodeLimits, Pixels
from burstlens.recognition.faces.embedding import SAME_PERSON, Embedder, decode_for_faces
from burstlens.recognition.faces.index import FaceIndex

UNKNOWN = "unknown"
"""The label of a picture without a face, and of one whose face is nobody's in the index."""

_TEMPERATURE = 0.025
"""What distance makes one candidate e times as probable as another. A choice: of the test pictures, the farthest two of
one person (0.45) then get 0.998, a face just within the threshold (0.55) 0.88, and even a thousand strangers (0.80)
leave `unknown` 0.75."""


class FaceRecognizer:
    """Tells who the largest face of a picture is; see `burstlens.recognition.base.Recognizer` for the contract.

    `top` holds the people by closeness, with `unknown` behind those who are near enough. A picture without a face has
    `unknown` alone, with the score 1.
    """

    model = "faces"

    def __init__(self, index: FaceIndex, limits: DecodeLimits, embedder: Embedder) -> None:
        self._index = index
        self._limits = limits
        self._embedder = embedder

    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        """One outcome for each image, in order; bad images are outcomes, too. Blocks; thread-safe."""
        return [self._recognise_one(image, top_k) for image in images]

    def _recognise_one(self, image: bytes, top_k: int) -> Recognition | ImageError:
        started = time.perf_counter()
        try:
            pixels = decode_for_faces(image, self._limits)
        except ImageError as error:
            return error
        decoded = time.perf_counter()
        top = self._candidates(pixels)[:top_k]
        return Recognition(top, decode_seconds=decoded - started, infer_seconds=time.perf_counter() - decoded)

    def _candidates(self, pixels: Pixels) -> tuple[Score, ...]:
        boxes = self._embedder.detect(pixels)
        if not boxes:
            return (Score(label=UNKNOWN, score=1.0),)
        return rank(self._index.people, self._index.distances(self._embedder.embed(pixels, boxes[0])))


def rank(people: Sequence[str], distances: npt.NDArray[np.float64]) -> tuple[Score, ...]:
    """Everybody at these distances, ``[people]``, and `unknown`, nearest first; the scores add up to 1.

    `unknown` stands exactly at the threshold, so it comes before everybody who is not within. The scores are the
    softmax of the negative distances.
    """
    labels = (UNKNOWN, *people)
    candidates = np.concatenate(([SAME_PERSON], distances))
    scores = softmax((-candidates / _TEMPERATURE).astype(np.float32))
    return tuple(
        Score(label=labels[place], class_index=int(place) - 1 if place else None, score=float(scores[place]))
        for place in np.argsort(candidates, kind="stable")
    )


def open_face_recognizer(index_bytes: bytes, limits: DecodeLimits) -> FaceRecognizer:
    """The recogniser over a stored index, ready to use. Blocks for about half a second.

    Raises:
        Misconfigured: the index cannot be used, or the packages are not installed.
        UntrustedWeights: the models are not those that were reviewed.
    """
    return FaceRecognizer(FaceIndex.parse(index_bytes), limits, Embedder())

"""The recogniser for models that tell one of their classes for a picture."""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from burstlens.messages import Score
from burstlens.recognition.base import ImageError, Recognition
from burstlens.recognition.decode import DecodeLimits, Pixels, decode
from burstlens.recognition.model import Model
from burstlens.recognition.session import Session, Tensor

DEFAULT_LIMITS = DecodeLimits(max_bytes=20 * 2**20)


class Classifier:
    """A classifier on one core; see `burstlens.recognition.base.Recognizer` for the contract.

    It uses one thread of its caller's and starts none, so a machine runs one process per core. Images are inferred one
    at a time: a batch gains next to nothing on a CPU, and would make the first image wait for the last
    (docs/decisions/0008-one-core.md).
    """

    def __init__(self, model: Model, session: Session, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        self._manifest = model.manifest
        self._labels = model.labels
        self._session = session
        self._limits = limits
        self._crop = model.manifest.crop
        channels = (3, 1, 1) if model.manifest.layout == "nchw" else (1, 1, 3)
        self._mean = np.asarray(model.manifest.mean, np.float32).reshape(channels)
        self._scale = np.asarray(model.manifest.scale, np.float32).reshape(channels)

    @property
    def model(self) -> str:
        """Name of the model, as results carry it."""
        return self._manifest.title

    @property
    def session(self) -> Session:
        """What it runs on."""
        return self._session

    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        """One outcome for each image, in order; bad images are outcomes, too. Blocks; thread-safe."""
        return [self._recognise_one(image, top_k) for image in images]

    def decode(self, image: bytes) -> Tensor:
        """The picture as the model takes it: a batch of one.

        Raises:
            ImageError: the picture cannot be decoded, or is beyond the limits.
        """
        return self.prepare(decode(image, self._limits, self._crop))

    def prepare(self, pixels: Pixels) -> Tensor:
        """uint8 ``[size, size, 3]`` as a batch of one, in the model's layout and type, normalised."""
        ordered = pixels.transpose(2, 0, 1) if self._manifest.layout == "nchw" else pixels
        if self._manifest.dtype == "uint8":
            return np.ascontiguousarray(ordered)[np.newaxis]
        normalised: npt.NDArray[np.float32] = (ordered.astype(np.float32, order="C") - self._mean) / self._scale
        return normalised[np.newaxis]

    def infer(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        """The probability of each class, float32 ``[classes]``, for a batch of one."""
        scores = self._session.run(tensor)[0]
        return softmax(scores) if self._manifest.softmax else scores

    def _recognise_one(self, image: bytes, top_k: int) -> Recognition | ImageError:
        started = time.perf_counter()
        try:
            tensor = self.decode(image)
        except ImageError as error:
            return error
        decoded = time.perf_counter()
        top = self._best(self.infer(tensor), top_k)
        return Recognition(top, decode_seconds=decoded - started, infer_seconds=time.perf_counter() - decoded)

    def _best(self, probabilities: npt.NDArray[np.float32], top_k: int) -> tuple[Score, ...]:
        order = np.argsort(-probabilities, kind="stable")[:top_k]
        return tuple(
            # Rounding lets a model's own softmax end a hair outside of 0 to 1.
            Score(
                label=self._labels[index],
                class_index=int(index),
                score=min(1.0, max(0.0, float(probabilities[index]))),
            )
            for index in order
        )


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of one image's logits; the largest is subtracted first, so that none overflows."""
    powers: npt.NDArray[np.float32] = np.exp(logits - logits.max())
    probabilities: npt.NDArray[np.float32] = powers / powers.sum()
    return probabilities

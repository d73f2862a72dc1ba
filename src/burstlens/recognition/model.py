"""The recogniser over onnxruntime."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # the package ships no types

from burstlens.errors import Misconfigured
from burstlens.messages import Score
from burstlens.recognition.base import ImageError, Recognition
from burstlens.recognition.catalog import cached_model
from burstlens.recognition.decode import DecodeLimits, Pixels, decode
from burstlens.recognition.labels import labels

DEFAULT_LIMITS = DecodeLimits(max_bytes=20 * 2**20)


class OnnxRecognizer:
    """An ImageNet classifier on one core; see `burstlens.recognition.base.Recognizer` for the contract.

    It uses one thread of its caller's and starts none, so a machine runs one process per core. Images are inferred one
    at a time: a batch gains next to nothing on a CPU, and would make the first image wait for the last.
    """

    def __init__(self, session: onnxruntime.InferenceSession, limits: DecodeLimits) -> None:
        self._session = session
        self._limits = limits
        (pixels,) = session.get_inputs()
        self._input = pixels.name
        self._size = int(pixels.shape[1])
        self._model = str(session.get_modelmeta().graph_name)
        self._labels = labels()

    @classmethod
    def load(cls, model_file: Path, limits: DecodeLimits = DEFAULT_LIMITS) -> "OnnxRecognizer":
        """Load a model as `burstlens.recognition.efficientnet.convert` makes them.

        Raises:
            Misconfigured: onnxruntime cannot read the file.
        """
        try:
            session = onnxruntime.InferenceSession(model_file, _options(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no base of their own
            message = f"{model_file} is no model that onnxruntime {onnxruntime.__version__} can load: {error}"
            raise Misconfigured(message) from error
        return cls(session, limits)

    @property
    def model(self) -> str:
        """Name of the model, as results carry it."""
        return self._model

    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        """One outcome for each image, in order; bad images are outcomes, too. Blocks; thread-safe."""
        return [self._recognise_one(image, top_k) for image in images]

    def _recognise_one(self, image: bytes, top_k: int) -> Recognition | ImageError:
        started = time.perf_counter()
        try:
            pixels = decode(image, self._limits, self._size)
        except ImageError as error:
            return error
        decoded = time.perf_counter()
        top = self._best(self._probabilities(pixels), top_k)
        return Recognition(top, decode_seconds=decoded - started, infer_seconds=time.perf_counter() - decoded)

    def _probabilities(self, pixels: Pixels) -> npt.NDArray[np.float32]:
        logits: npt.NDArray[np.float32]
        (logits,) = self._session.run(None, {self._input: pixels[np.newaxis]})
        return softmax(logits[0])

    def _best(self, probabilities: npt.NDArray[np.float32], top_k: int) -> tuple[Score, ...]:
        order = np.argsort(-probabilities, kind="stable")[:top_k]
        return tuple(
            Score(label=self._labels[index], class_index=int(index), score=float(probabilities[index]))
            for index in order
        )


def open_recognizer(
    name: str = "lite0", cache: Path | None = None, limits: DecodeLimits = DEFAULT_LIMITS
) -> OnnxRecognizer:
    """The recogniser of the model `name`, converted into the `cache` folder on first use (see `cached_model`).

    Raises:
        Misconfigured: there is no such model, or the cache cannot be used.
        UntrustedWeights: the weights that are installed are not those that were reviewed.
    """
    return OnnxRecognizer.load(cached_model(name, cache), limits)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Probabilities of one image's logits; the largest is subtracted first, so that none overflows."""
    powers: npt.NDArray[np.float32] = np.exp(logits - logits.max())
    probabilities: npt.NDArray[np.float32] = powers / powers.sum()
    return probabilities


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Spinning threads take the core from the other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options

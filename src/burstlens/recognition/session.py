"""The port of a loaded model, whatever runs it."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from burstlens.recognition.provider import Provider

Tensor = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
"""A batch of pictures as the model takes it: ``[n, 3, h, w]`` or ``[n, h, w, 3]``."""


class Session(Protocol):
    """A loaded model. Thread-safe; releases the GIL while it runs."""

    @property
    def provider(self) -> Provider:
        """What runs it; never `AUTO`."""

    @property
    def runtime(self) -> str:
        """Provider, library and version in one word: what a verification is worth no more than."""

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of its input; None where the model leaves a dimension open."""

    @property
    def input_dtype(self) -> str:
        """Element type of its input, in numpy's words: such as ``float32`` or ``uint8``."""

    def run(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        """The output, ``[n, classes]``, for an input of the model's shape and element type. Blocks."""

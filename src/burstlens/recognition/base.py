"""The recogniser port."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from burstlens.errors import BurstlensError
from burstlens.messages import ErrorCode, Score


class ImageError(BurstlensError):
    """This picture cannot be recognised, now or ever: trying again is useless. Its text is for the client."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was seen in one picture."""

    top: tuple[Score, ...]
    """At least one candidate, best first; scores are probabilities."""
    decode_seconds: float
    infer_seconds: float


class Recognizer(Protocol):
    """Recognises images. Thread-safe; releases the GIL while it decodes and infers."""

    @property
    def model(self) -> str:
        """Name of the model, as results carry it."""

    def recognise(self, images: Sequence[bytes], top_k: int = 5) -> list[Recognition | ImageError]:
        """One outcome for each image, in order: the `top_k` best labels, or why that image has none. Blocks.

        An `ImageError` is returned, not raised: a bad image is an outcome. Whatever is raised is a defect of the
        recogniser itself.
        """

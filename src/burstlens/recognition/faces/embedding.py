"""From the pixels of a picture to its faces, and from a face to the numbers that tell whose it is."""

import importlib.util
import threading
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from burstlens.errors import Misconfigured
from burstlens.recognition.cache import file_sha256
from burstlens.recognition.decode import DecodeLimits, Pixels, decode_whole
from burstlens.recognition.weights import UntrustedWeights

Embedding = npt.NDArray[np.float32]
"""``[128]``: pictures of one person lie near each other by Euclidean distance."""

DIMENSIONS = 128

SAME_PERSON = 0.6
"""Below this distance two faces are taken for one person's: 99.38 % right on Labeled Faces in the Wild (both figures:
``python_examples/face_recognition.py`` of dlib, whose author trained the network)."""

LANDMARKS = "shape_predictor_5_face_landmarks.dat"
NETWORK = "dlib_face_recognition_resnet_model_v1.dat"
"""Davis King's ResNet with 29 convolutions, trained on about three million faces (README of ``dlib-models``)."""

SHA256 = {
    LANDMARKS: "c4b1e9804792707d3a405c2c16a80a20269e6675021f64a41d30fffafbc41888",
    NETWORK: "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30",
}
"""The only content that the files of face_recognition_models 0.3.0 may have."""

_LOOKED_AT = 1024
"""Pixels of the longer side in which faces are sought; see docs/faces.md for what was measured."""

_MISSING = "faces needs packages that are not installed here; run: pip install 'burstlens[faces]'"


class Box(NamedTuple):
    """Where a face is, in pixels; it may reach beyond the picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def area(self) -> int:
        """In square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


def decode_for_faces(data: bytes, limits: DecodeLimits) -> Pixels:
    """The picture as large as faces are sought in it: uint8 ``[height, width, 3]``.

    Raises:
        ImageError: it cannot be decoded, or is beyond the limits.
    """
    return decode_whole(data, limits, _LOOKED_AT)


class Embedder:
    """dlib's face detector and face network. Thread-safe: threads take turns, for dlib's objects are not.

    dlib releases the GIL while it detects, and holds it while it embeds.
    """

    def __init__(self) -> None:
        """Load the models, which blocks for about half a second.

        Raises:
            Misconfigured: the packages are not installed.
            UntrustedWeights: a file is not the one that was reviewed.
        """
        landmarks, network = (_reviewed(name) for name in (LANDMARKS, NETWORK))
        try:
            import dlib  # type: ignore[import-untyped]  # the package ships no types
        except ImportError as error:
            raise Misconfigured(_MISSING) from error
        self._dlib = dlib
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(landmarks))
        self._network = dlib.face_recognition_model_v1(str(network))
        self._turn = threading.Lock()

    def detect(self, pixels: Pixels) -> list[Box]:
        """The faces that look towards the camera, largest first."""
        # The detector sees faces of 80 pixels and more; a picture is doubled where that costs no more than a large one.
        doublings = 1 if 2 * max(pixels.shape) <= _LOOKED_AT else 0
        with self._turn:
            found = self._detector(pixels, doublings)
        boxes = (Box(face.left(), face.top(), face.right(), face.bottom()) for face in found)
        return sorted(boxes, key=lambda box: (-box.area, box))

    def embed(self, pixels: Pixels, box: Box) -> Embedding:
        """The face in this box: turned upright by its eyes and nose, scaled to 150 × 150 pixels, embedded."""
        with self._turn:
            face = self._landmarks(pixels, self._dlib.rectangle(*box))
            return np.array(self._network.compute_face_descriptor(pixels, face), np.float32)


def _reviewed(name: str) -> Path:
    """The path of a model file, once its content is known to be the right one.

    The package is found but not imported: its only module needs pkg_resources, which setuptools no longer has.
    """
    package = importlib.util.find_spec("face_recognition_models")
    folders = package.submodule_search_locations if package else None
    path = Path(folders[0], "models", name) if folders else None
    if path is None or not path.is_file():
        raise Misconfigured(_MISSING)
    if (found := file_sha256(path)) != SHA256[name]:
        message = f"{name} has the sha256 {found}, expected {SHA256[name]}"
        raise UntrustedWeights(message)
    return path

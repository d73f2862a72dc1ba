"""From a model in float32 to one that computes in 8-bit integers.

Static quantisation in ONNX's QDQ form, weights per channel: Jacob et al., "Quantization and Training of Neural Networks
for Efficient Integer-Arithmetic-Only Inference" (2018), section 3, by onnxruntime's quantiser. Figures and alternatives
are in docs/decisions/0008-one-core.md.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from burstlens.errors import Misconfigured
from burstlens.recognition.agreement import Agreement, agreement, views
from burstlens.recognition.classifier import Classifier
from burstlens.recognition.cpu import has_vnni
from burstlens.recognition.manifest import IMAGENET, Manifest, write_manifest
from burstlens.recognition.model import Model
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session
from burstlens.recognition.session import Tensor
from burstlens.recognition.verification import verify

FLOOR = 0.95
"""The least top-1 agreement that is written without being told so."""

CEILING = 0.1
"""The largest difference of probabilities that is written without being told so. On pictures that a model is sure of,
as the bundled photos are, top-1 alone passes a ruined one: 0.96 there, 0.67 on harder photos, difference 0.29.
The catalogue's models are at 0.053 or less (docs/decisions/0008-one-core.md)."""

FEWEST_PICTURES = 8
"""Half of them, in ten views each, leave steps of 2.5 % between two agreements."""

_WITH_WEIGHTS = ("Conv", "Gemm", "MatMul")

_OPERATORS = (*_WITH_WEIGHTS, "Add", "Clip", "Concat", "MaxPool", "Relu")
"""What a convolutional network spends its time on, and what stands between; all else stays in float32."""


class Cpus(StrEnum):
    """Which machines a quantised model is for."""

    ANY = "any"
    """Weights of 7 bits. A CPU without VNNI adds two products of an 8-bit activation and a weight in 16 bits: twice
    255 · 64 fits, twice 255 · 127 saturates, silently."""
    VNNI = "vnni"
    """Weights of 8 bits: nearer to float32, but only on CPUs with AVX-512 VNNI or AVX-VNNI."""


@dataclass(frozen=True, slots=True)
class Quantisation:
    """A quantised model, not written yet, and how far it agrees with the float32 model."""

    content: bytes
    """Of the ``.onnx`` file."""
    manifest: Manifest
    known_picture: bytes
    """Content of the file that the manifest names as its known picture; empty: it names none."""
    source: Path
    """The float32 model's file."""
    calibration_pictures: int
    other_pictures: int
    """What the agreement was measured on."""
    agreement: Agreement

    def write(self, file: Path, floor: float = FLOOR, ceiling: float = CEILING) -> None:
        """Write the model to `file`, which ends in ``.onnx``, and its manifest beside it; each by one rename.

        Raises:
            Misconfigured: the two models agree on less than `floor` of the views, or differ by more than `ceiling`, or
                `file` cannot be written.
        """
        check_target(file, self.source)
        found = self.agreement
        # What is no number is within no limit.
        if not (found.top_1 >= floor and found.difference <= ceiling):
            message = (
                f"{file} is not written: of {found.views} views int8 and float32 agree on {found.top_1:.1%} (at least "
                f"{floor:.1%}), and their probabilities differ by {found.difference:.3f} (at most {ceiling:g})"
            )
            raise Misconfigured(message)
        manifest = self.manifest
        try:
            if manifest.known is not None:
                # Never by the name that the manifest has for it: that is somebody else's word for a file of ours.
                picture = file.with_name(f"{file.stem}-known")
                _replace(picture, self.known_picture)
                known = manifest.known.model_copy(update={"picture": picture.name})
                manifest = manifest.model_copy(update={"known": known})
            _replace(file, self.content)
            # Last, as it holds the model's sha256: an older manifest refuses the new model until then.
            _replace(file.with_suffix(".toml"), write_manifest(manifest).encode())
        except OSError as error:
            message = f"{file} cannot be written: {error.strerror or error}"
            raise Misconfigured(message) from error


def check_target(file: Path, source: Path) -> None:
    """Whether a model that is made of `source` can go to `file`: cheaper to know before it is made.

    Raises:
        Misconfigured: it cannot.
    """
    if file.suffix != ".onnx":
        message = f"{file} must end in .onnx"
        raise Misconfigured(message)
    if not os.access(file.parent, os.W_OK):
        message = f"{file} cannot be written: its folder is missing or not yours to write"
        raise Misconfigured(message)
    if file.resolve() == source.resolve():
        message = f"{file} is the float32 model itself; choose another name for the int8 model"
        raise Misconfigured(message)


def quantise(model: Model, pictures: Sequence[bytes], cpus: Cpus = Cpus.ANY) -> Quantisation:
    """Quantise `model`, calibrated on every other picture, and compare the two on the rest. Blocks; writes nothing.

    The pictures should be such as the model will see; what they show need not be known.

    Raises:
        Misconfigured: there are too few pictures, the model does not do what its manifest says or cannot be quantised,
            or this machine is none of `cpus`.
        ImageError: one of the pictures cannot be decoded.
    """
    if len(pictures) < FEWEST_PICTURES:
        message = (
            f"{len(pictures)} pictures are too few to calibrate on one half and compare on the other; "
            f"give at least {FEWEST_PICTURES}"
        )
        raise Misconfigured(message)
    if cpus is Cpus.VNNI and not has_vnni():
        message = (
            "this CPU has no VNNI, so what is measured here would not hold where it is; quantise there, or for any"
        )
        raise Misconfigured(message)
    verify(model, Provider.CPU)
    own = model.manifest
    reference = Classifier(model, open_session(model.file, Provider.CPU, own.input, own.output))
    calibration, others = pictures[::2], pictures[1::2]
    with tempfile.TemporaryDirectory(prefix="burstlens-") as folder:
        file = Path(folder) / "int8.onnx"
        _quantise(model, map(reference.prepare, views(calibration, own.crop)), cpus, file)
        quantised = Classifier(model, open_session(file, Provider.CPU, own.input, own.output))
        content = file.read_bytes()
    return Quantisation(
        content=content,
        manifest=_manifest(model, content),
        known_picture=model.known.image if model.known and own.known else b"",
        source=model.file,
        calibration_pictures=len(calibration),
        other_pictures=len(others),
        agreement=agreement(reference, quantised, views(others, own.crop)),
    )


class _Calibration:
    """Tensors as onnxruntime's quantiser takes them (`onnxruntime.quantization.CalibrationDataReader`)."""

    def __init__(self, input_name: str, tensors: Iterator[Tensor]) -> None:
        self._input = input_name
        self._tensors = tensors

    def get_next(self) -> dict[str, Tensor] | None:
        tensor = next(self._tensors, None)
        return None if tensor is None else {self._input: tensor}


def _quantise(model: Model, tensors: Iterator[Tensor], cpus: Cpus, file: Path) -> None:
    import onnx
    from onnxruntime import quantization as ort  # type: ignore[import-untyped]  # the package ships no types

    plain = file.with_name("float32.onnx")
    # Folds batch normalisation and constants. Symbolic shapes would need sympy, and tell nothing of such networks.
    ort.quant_pre_process(model.file, plain, skip_symbolic_shape=True)
    graph = onnx.load(plain)
    with_weights = [node for node in graph.graph.node if node.op_type in _WITH_WEIGHTS]
    if len(with_weights) < 2:
        message = f"{model.reference} has no layers to quantise: nothing of {', '.join(_WITH_WEIGHTS)} beside its last"
        raise Misconfigured(message)
    # The last layer decides between classes: in float32 it halves the difference, and costs nothing.
    classifier = with_weights[-1]
    classifier.name = classifier.name or "classifier"
    onnx.save(graph, plain)
    ort.quantize_static(
        plain,
        file,
        _Calibration(model.manifest.input or graph.graph.input[0].name, tensors),
        quant_format=ort.QuantFormat.QDQ,
        op_types_to_quantize=list(_OPERATORS),
        nodes_to_exclude=[classifier.name],
        per_channel=True,
        reduce_range=cpus is Cpus.ANY,
        activation_type=ort.QuantType.QUInt8,
        weight_type=ort.QuantType.QInt8,
    )


def _manifest(model: Model, content: bytes) -> Manifest:
    own = model.manifest
    return own.model_copy(
        update={
            "title": f"{own.title}-int8",
            "sha256": hashlib.sha256(content).hexdigest(),
            # A file of labels lies beside the other model.
            "labels": IMAGENET if own.labels == IMAGENET else model.labels,
        }
    )


def _replace(file: Path, content: bytes) -> None:
    draft = file.with_name(f".{file.name}.tmp")
    try:
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)

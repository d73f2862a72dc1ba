"""Whether a model does what its manifest says: found out once, before it serves."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from burstlens.errors import Misconfigured
from burstlens.recognition.base import ImageError
from burstlens.recognition.cache import default_cache
from burstlens.recognition.classifier import Classifier
from burstlens.recognition.model import KnownPicture, Model
from burstlens.recognition.session import Session

VERSION = 1
"""To be raised whenever a check is added: every model is then verified again."""

_SUM_TOLERANCE = 0.02
"""How far the probabilities of one picture may be from 1 in all; reduced precision rounds."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found."""

    title: str
    sha256: str
    opset: int
    """Of the default domain: the version of ONNX's operators that the file needs."""
    input_shape: tuple[int | None, ...]
    input_dtype: str
    classes: int
    provider: str
    known: str
    """The known picture's label and its score; empty: the manifest names no such picture."""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each finding as its name and its value."""
        yield "model", self.title
        yield "sha256", self.sha256
        yield "opset", str(self.opset)
        yield (
            "input",
            f"{self.input_dtype} [{', '.join('n' if size is None else str(size) for size in self.input_shape)}]",
        )
        yield "classes", str(self.classes)
        yield "runs on", self.provider
        yield "known picture", self.known or "none: the manifest names none, so only shapes and ranges were checked"


def verify(model: Model, session: Session) -> Verification:
    """Check everything that can be checked without a data set.

    Raises:
        Misconfigured: the model does not do what its manifest says; the text is the first difference.
    """
    opset = _opset(model.file)
    _check_input(model, session)
    classes = _check_output(model, session)
    classifier = Classifier(model, session)
    return Verification(
        title=model.manifest.title,
        sha256=model.sha256,
        opset=opset,
        input_shape=tuple(session.input_shape),
        input_dtype=session.input_dtype,
        classes=classes,
        provider=str(session.provider),
        known=_check_known(model, classifier, model.known) if model.known else "",
    )


def verify_once(model: Model, session: Session, cache: Path | None) -> None:
    """Verify unless this very model was found right on this runtime before, which a small file in `cache` tells.

    Raises:
        Misconfigured: the model does not do what its manifest says.
    """
    stamp = (cache or default_cache()) / f"verified-{_fingerprint(model, session)}.json"
    if stamp.exists():
        return
    found = verify(model, session)
    try:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps(asdict(found), ensure_ascii=False))
    except OSError:
        # A cache that is baked into a machine image may be read-only: then it is verified at each start.
        return


def _fingerprint(model: Model, session: Session) -> str:
    """Of all that a verification depends on."""
    known = hashlib.sha256(model.known.image).hexdigest() if model.known else ""
    parts = [VERSION, model.sha256, model.manifest.model_dump_json(), model.labels, known, session.runtime]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _opset(file: Path) -> int:
    import onnx

    try:
        graph = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf's errors have no base that onnx makes public
        message = f"{file} is no ONNX file: {error}"
        raise Misconfigured(message) from error
    for opset in graph.opset_import:
        if opset.domain in {"", "ai.onnx"}:
            return int(opset.version)
    message = f"{file} does not say which version of ONNX's operators it needs"
    raise Misconfigured(message)


def _check_input(model: Model, session: Session) -> None:
    own = model.manifest
    sides = (own.size, own.size)
    expected = (1, 3, *sides) if own.layout == "nchw" else (1, *sides, 3)
    shape = session.input_shape
    if session.input_dtype != own.dtype:
        message = f"{model.reference}: its input is {session.input_dtype}, and not {own.dtype} as the manifest says"
        raise Misconfigured(message)
    fits = len(shape) == len(expected) and all(
        size in (None, wanted) for size, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        found = ", ".join("n" if size is None else str(size) for size in shape)
        message = (
            f"{model.reference}: its input is [{found}]; the manifest's layout {own.layout} and size {own.size} "
            f"mean [n, {', '.join(map(str, expected[1:]))}]"
        )
        raise Misconfigured(message)


def _check_output(model: Model, session: Session) -> int:
    """That one picture gives one finite number for each label; return how many."""
    own = model.manifest
    grey = np.full((own.size, own.size, 3), 128, np.uint8)
    output = session.run(Classifier(model, session).prepare(grey))
    if output.ndim != 2 or output.shape != (1, len(model.labels)):
        message = f"{model.reference}: its output is {list(output.shape)}, but there are {len(model.labels)} labels"
        raise Misconfigured(message)
    if not np.isfinite(output).all():
        message = f"{model.reference}: its output is not finite for a grey picture"
        raise Misconfigured(message)
    if not own.softmax:
        _check_probabilities(model.reference, output[0])
    return len(model.labels)


def _check_probabilities(reference: str, scores: npt.NDArray[np.float32]) -> None:
    if scores.min() < -_SUM_TOLERANCE or abs(float(scores.sum()) - 1) > _SUM_TOLERANCE:
        message = (
            f"{reference}: its outputs are {scores.min():.3g} to {scores.max():.3g}, in all {scores.sum():.3g}: "
            "no probabilities; if they are logits, the manifest must say softmax = true"
        )
        raise Misconfigured(message)


def _check_known(model: Model, classifier: Classifier, known: KnownPicture) -> str:
    (outcome,) = classifier.recognise([known.image], known.within)
    if isinstance(outcome, ImageError):
        message = f"{model.reference}: its known picture cannot be decoded: {outcome}"
        raise Misconfigured(message)
    for score in outcome.top:
        if score.label == known.label:
            return f"{score.label}, {score.score:.3f}"
    message = (
        f"{model.reference}: takes the known picture, {known.label}, for {_in_words([s.label for s in outcome.top])}; "
        "do layout, mean, scale and labels in its manifest fit?"
    )
    raise Misconfigured(message)


def _in_words(labels: Sequence[str]) -> str:
    return " or ".join(repr(label) for label in labels)

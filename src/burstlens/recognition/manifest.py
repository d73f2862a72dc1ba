"""What has to be known of an ``.onnx`` file to recognise with it: the manifest that lies beside it, as TOML."""

import tomllib
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from burstlens.errors import Misconfigured
from burstlens.recognition.crop import Crop

IMAGENET = "imagenet-1k"
"""As `Manifest.labels`: the names that come with burstlens, for a model of ImageNet's 1,000 classes."""

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Divisor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Known(BaseModel):
    """A picture whose label is known: what shows that a model and its manifest fit together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str = Field(min_length=1)
    """Name of the file beside the manifest."""
    label: str = Field(min_length=1)


class Manifest(BaseModel):
    """One model's input and output. The defaults are those of most classifiers that are exported from PyTorch."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(min_length=1, max_length=200)
    """Name of the model, as results carry it."""
    input: str = ""
    """Name of the graph's only input; may be left empty."""
    output: str = ""
    """Name of the graph's output, ``[n, classes]`` in float32; empty: the first."""
    layout: Literal["nchw", "nhwc"] = "nchw"
    """Order of the input's axes: number, channels (R, G, B), height, width."""
    dtype: Literal["float32", "uint8"] = "float32"
    """Element type of the input. With `uint8` the pixels go in as they are."""
    size: int = Field(ge=1, le=4096)
    """Height and width of the input, in pixels."""
    resize: int = Field(default=0, ge=0, le=8192)
    """What the short side is scaled to before the centred square is cut, in pixels; 0: `size`."""
    fit: Literal["crop", "squash"] = "crop"
    """`squash` scales the whole picture to the square instead, whatever its shape."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    mean: tuple[_Number, _Number, _Number] = (0.0, 0.0, 0.0)
    """Of red, green and blue in 0…255: what is taken from every pixel before it is divided by `scale`."""
    scale: tuple[_Divisor, _Divisor, _Divisor] = (1.0, 1.0, 1.0)
    labels: str | tuple[str, ...] = IMAGENET
    """The label of each class, in order: a list, the name of a text file beside the manifest, or `IMAGENET`."""
    softmax: bool = True
    """Whether the output are logits that a softmax has yet to turn into probabilities."""
    sha256: str = Field(default="", pattern="^([0-9a-f]{64})?$")
    """Of the ``.onnx`` file; required of a model that comes over a network."""
    known: Known | None = None

    @field_validator("title")
    @classmethod
    def _printable(cls, title: str) -> str:
        if not title.isprintable():
            message = "it holds a character that cannot be printed"
            raise ValueError(message)
        return title

    @field_validator("labels")
    @classmethod
    def _named(cls, labels: str | tuple[str, ...]) -> str | tuple[str, ...]:
        names = (labels,) if isinstance(labels, str) else labels
        if not names or not all(name.strip() for name in names):
            message = "no label may be empty"
            raise ValueError(message)
        return labels

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.resize and self.resize < self.size:
            message = f"resize is {self.resize}, smaller than size, {self.size}"
            raise ValueError(message)
        if self.dtype == "uint8" and (self.mean != (0.0, 0.0, 0.0) or self.scale != (1.0, 1.0, 1.0)):
            message = "mean and scale have no meaning with dtype uint8, which takes the pixels as they are"
            raise ValueError(message)
        return self

    @property
    def crop(self) -> Crop:
        """How a picture becomes the input."""
        return Crop(self.size, self.resize or self.size, self.fit, self.interpolation)


def read_manifest(text: str, where: str) -> Manifest:
    """The manifest in the TOML `text`, which was found at `where`.

    Raises:
        Misconfigured: it is no TOML, or something in it is unknown, missing or contradictory.
    """
    try:
        return Manifest.model_validate(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"{where} is no TOML: {error}"
        raise Misconfigured(message) from error
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ")
        message = f"{where}: {f'{place}: ' if place else ''}{reason}"
        raise Misconfigured(message) from error


def write_manifest(manifest: Manifest) -> str:
    """The manifest as the TOML that `read_manifest` reads; defaults are left out.

    JSON's strings, numbers and arrays are TOML's, too.
    """
    import json

    def table(values: dict[str, object]) -> str:
        plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
        return "".join(f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in plain.items())

    values = manifest.model_dump(mode="json", exclude_defaults=True)
    known = f"\n[known]\n{table(values['known'])}" if "known" in values else ""
    return table(values) + known

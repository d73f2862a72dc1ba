"""How a picture of any shape becomes the square that a model takes."""

from dataclasses import dataclass
from typing import Literal, Self

_EFFICIENTNET_PADDING = 32
"""``CROP_PADDING`` of EfficientNet's preprocessing.py: the short side is scaled to that much more than the input."""


@dataclass(frozen=True, slots=True)
class Crop:
    """What of the picture goes in, and how it is scaled."""

    size: int
    """Height and width of the model's input, in pixels."""
    resize: int
    """What the short side is scaled to before the centred square of `size` is cut, in pixels; at least `size`."""
    fit: Literal["crop", "squash"] = "crop"
    """`squash` scales the whole picture to the square instead, whatever its shape."""
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"

    @classmethod
    def efficientnet(cls, size: int) -> Self:
        """EfficientNet's crop: the centred square of ``size / (size + 32)`` of the short side, bicubic."""
        return cls(size, size + _EFFICIENTNET_PADDING)

    def box(self, picture: tuple[int, int]) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of what goes in, in pixels of a picture of this width and height."""
        width, height = picture
        if self.fit == "squash":
            return 0.0, 0.0, float(width), float(height)
        side = min(width, height) * self.size / self.resize
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side

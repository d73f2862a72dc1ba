"""What a model sees of a picture's colours: eight bits of red, green and blue, on white where nothing is."""

import numpy as np
import numpy.typing as npt
from PIL import Image

_MODES = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})
"""Pillow's modes with at most 8 bits a sample that it can turn into RGB. It reads 16 bits of colour or of grey with
alpha as one of them, too: it keeps the high byte of each sample. 16 bits of grey alone are `I;16…`."""

_BITS_PER_SAMPLE = 258
_PHOTOMETRIC = 262
"""Tags of TIFF 6.0, section 8; a photometric interpretation of 0 is *white is zero*."""


def is_readable(mode: str) -> bool:
    """Whether a picture of this mode of Pillow's can be seen: not those of 32-bit or floating-point samples."""
    return mode in _MODES or mode.startswith("I;16")


def to_eight_bit(image: Image.Image) -> Image.Image:
    """The loaded picture in a mode that can be scaled: L, RGB or, where anything is transparent, RGBA."""
    if image.mode.startswith("I;16"):
        return _from_sixteen_bit_grey(image)
    wanted = "RGBA" if image.has_transparency_data else "L" if image.mode == "L" else "RGB"
    return image if image.mode == wanted else image.convert(wanted)


def on_white(image: Image.Image) -> Image.Image:
    """A picture of a mode that `to_eight_bit` gives, as RGB."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return white.convert("RGB")


def _from_sixteen_bit_grey(image: Image.Image) -> Image.Image:
    """L or RGBA. Pillow's own conversion clips at 255, and knows neither 12 bits, white as zero nor transparency."""
    samples: npt.NDArray[np.uint16] = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    (bits,) = tags.get(_BITS_PER_SAMPLE, (16,))
    pixels = (samples >> (bits - 8)).astype(np.uint8)
    grey = Image.fromarray(255 - pixels if tags.get(_PHOTOMETRIC) == 0 else pixels)
    transparent = image.info.get("transparency")
    if transparent is None:
        return grey
    alpha = Image.fromarray(np.where(samples == transparent, 0, 255).astype(np.uint8))
    return Image.merge("RGBA", (grey, grey, grey, alpha))

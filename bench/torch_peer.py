"""The peer: ResNet-18 in PyTorch, as a web application's loop would run it, on one thread.

He et al., "Deep Residual Learning for Image Recognition" (2015), table 1. The weights are random, which
does not change the speed. PyTorch is no dependency of burstlens; without it this part of the benchmark is left out.
"""

import importlib.util
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Of ImageNet's training pictures in 0…1, as torchvision's models take them."""


@dataclass(frozen=True, slots=True)
class PeerWork:
    """What the peer did."""

    count: int
    cpu_seconds: float


def is_installed() -> bool:
    """Whether this interpreter has PyTorch."""
    return importlib.util.find_spec("torch") is not None


_model: list[Any] = []


def load() -> None:
    """Build the network in this process, on one thread."""
    import torch  # type: ignore[import-not-found,unused-ignore]  # only where the peer is wanted

    torch.set_num_threads(1)
    _model.append(_resnet18().eval())


def recognise(images: Sequence[bytes]) -> PeerWork:
    """Decode and infer each picture."""
    import torch

    before = time.process_time()
    with torch.no_grad():
        for image in images:
            torch.softmax(_model[0](torch.from_numpy(_tensor(image))), 1).topk(5)
    return PeerWork(len(images), time.process_time() - before)


def _tensor(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Short side to 256, the middle 224 × 224, normalised: float32 ``[1, 3, 224, 224]``."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    ratio = 256 / min(image.size)
    image = image.resize((round(image.width * ratio), round(image.height * ratio)), Image.Resampling.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32) / 255
    return np.ascontiguousarray(((pixels - _MEAN) / _DEVIATION).transpose(2, 0, 1)[np.newaxis])


def _resnet18() -> Any:  # noqa: ANN401 - torch may be missing
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc,unused-ignore]  # no types without torch
        def __init__(self, taken: int, given: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(taken, given, 3, stride, 1, bias=False),
                nn.BatchNorm2d(given),
                nn.ReLU(inplace=True),
                nn.Conv2d(given, given, 3, 1, 1, bias=False),
                nn.BatchNorm2d(given),
            )
            same = stride == 1 and taken == given
            self.shortcut = (
                nn.Identity()
                if same
                else nn.Sequential(nn.Conv2d(taken, given, 1, stride, bias=False), nn.BatchNorm2d(given))
            )

        def forward(self, x: Any) -> Any:  # noqa: ANN401 - as above
            return nn.functional.relu(self.body(x) + self.shortcut(x))

    stem = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    stages = [(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    blocks = [block for a, b, stride in stages for block in (Block(a, b, stride), Block(b, b, 1))]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))

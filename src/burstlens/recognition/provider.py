"""The names of what can run a model."""

from enum import StrEnum


class Provider(StrEnum):
    """What runs a model; "execution provider" is onnxruntime's word for it."""

    AUTO = "auto"
    """The best that is to be had here: `CUDA` where onnxruntime finds a GPU, else `CPU`."""
    CPU = "cpu"
    CUDA = "cuda"
    OPENVINO = "openvino"

"""EfficientNet-Lite: its architecture as a table, and its conversion to ONNX.

Sources: Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks" (2019), table 1 and
section 4, and the reference code of the Lite variants (``tpu/models/official/efficientnet/lite``), which leaves out
squeeze-and-excitation, uses ReLU6, and does not scale the stem, the head and the depth of the first and the last stage.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from burstlens.recognition.labels import CLASSES
from burstlens.recognition.weights import Tensors

if TYPE_CHECKING:
    from onnx import ModelProto

Floats = npt.NDArray[np.float32]

CONVERTER_VERSION = 1
"""To be raised whenever a change here changes the converted model: it is part of the cached file's name."""

BATCH_NORM_EPSILON = 1e-3
"""``batch_norm_epsilon`` of efficientnet_lite_builder.py; PyTorch's own default, 1e-5, costs accuracy."""

MEAN, SCALE = 127.0, 128.0
"""Pixels enter as (x − 127) / 128: ``MEAN_RGB`` and ``STDDEV_RGB`` of efficientnet_lite_builder.py."""

OPSET, IR_VERSION = 17, 8
"""ONNX 1.12 (2022): old enough for every onnxruntime that runs on Python 3.11, and all that is needed here."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """One row of the paper's scaling: how it differs from the base network."""

    width: float
    """Multiplies the channels."""
    depth: float
    """Multiplies the blocks of a stage."""
    size: int
    """Height and width of the input, in pixels."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the paper's table 1, in the notation of the reference code (``r1_k3_s11_e1_i32_o16``)."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    channels_in: int
    channels_out: int


STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expand=1, channels_in=32, channels_out=16),
    Stage(repeats=2, kernel=3, stride=2, expand=6, channels_in=16, channels_out=24),
    Stage(repeats=2, kernel=5, stride=2, expand=6, channels_in=24, channels_out=40),
    Stage(repeats=3, kernel=3, stride=2, expand=6, channels_in=40, channels_out=80),
    Stage(repeats=3, kernel=5, stride=1, expand=6, channels_in=80, channels_out=112),
    Stage(repeats=4, kernel=5, stride=2, expand=6, channels_in=112, channels_out=192),
    Stage(repeats=1, kernel=3, stride=1, expand=6, channels_in=192, channels_out=320),
)
"""EfficientNet-B0, which Lite0 shares."""


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted bottleneck (MBConv): expand, depthwise convolution, project; with a shortcut where shapes allow."""

    kernel: int
    stride: int
    expand: int
    channels_in: int
    channels_out: int

    @property
    def shortcut(self) -> bool:
        """Whether its input is added to its output."""
        return self.stride == 1 and self.channels_in == self.channels_out


def scaled_channels(channels: int, width: float) -> int:
    """Channels times width, rounded to a multiple of 8 but not down by more than 10 % (``round_filters``)."""
    wanted = channels * width
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


def blocks(architecture: Architecture) -> Iterator[Block]:
    """The blocks of all stages, in order; the first of a stage carries its stride and its change of channels."""
    first, last = STAGES[0], STAGES[-1]
    for stage in STAGES:
        fixed_depth = stage in (first, last)
        repeats = stage.repeats if fixed_depth else math.ceil(stage.repeats * architecture.depth)
        # The stem is not scaled, so what the first stage takes is not, either.
        taken = stage.channels_in if stage is first else scaled_channels(stage.channels_in, architecture.width)
        given = scaled_channels(stage.channels_out, architecture.width)
        yield Block(stage.kernel, stage.stride, stage.expand, taken, given)
        for _ in range(repeats - 1):
            yield Block(stage.kernel, 1, stage.expand, given, given)


def fold(kernel: Floats, gamma: Floats, beta: Floats, mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """The kernel and the bias of the one convolution that equals convolution and batch normalisation.

    γ·(w∗x − μ)/√(σ² + ε) + β = (w·s)∗x + (β − μ·s) with s = γ/√(σ² + ε). `kernel` is ``[out, in, k, k]``, the others
    ``[out]``.
    """
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return kernel * scale[:, None, None, None], beta - mean * scale


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Pixels before and after that make the output ⌈size/stride⌉ long, the odd one after (TensorFlow's ``SAME``)."""
    total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def convert(tensors: Tensors, architecture: Architecture, name: str) -> "ModelProto":
    """The network as ONNX: input ``pixels``, uint8 ``[n, size, size, 3]``; output ``logits``, float32 ``[n, 1000]``.

    `name` becomes the graph's name. The normalisation of the pixels is part of the graph.

    Raises:
        KeyError: `tensors` are not the weights of this architecture.
    """
    graph = _Graph(tensors, architecture.size, name)
    x = graph.normalised("pixels")
    x = graph.convolution(x, "_conv_stem", "_bn0", kernel=3, stride=2)
    x = graph.relu6(x)
    for index, block in enumerate(blocks(architecture)):
        x = graph.bottleneck(x, f"_blocks.{index}.", block)
    x = graph.relu6(graph.convolution(x, "_conv_head", "_bn1"))
    graph.classifier(x, "logits")
    return graph.model


class _Graph:
    """Builds the model; each method adds a layer after tensor `x` and returns the name of its output.

    It is built in place: whatever is put together from parts holds the weights twice, and a worker's first start must
    not take more memory than all others.
    """

    def __init__(self, tensors: Tensors, size: int, name: str) -> None:
        from onnx import ModelProto, TensorProto, helper

        self._tensors = tensors
        self._size = size
        self.model = ModelProto(
            ir_version=IR_VERSION,
            producer_name="burstlens",
            producer_version=str(CONVERTER_VERSION),
            opset_import=[helper.make_opsetid("", OPSET)],
        )
        self._graph = self.model.graph
        self._graph.name = name
        self._graph.input.append(helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", size, size, 3]))
        self._graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES]))

    def normalised(self, pixels: str) -> str:
        """uint8 NHWC to normalised float NCHW."""
        from onnx import TensorProto

        x = self._node("Cast", [pixels], to=TensorProto.FLOAT)
        x = self._node("Sub", [x, self._constant("mean", np.float32(MEAN))])
        x = self._node("Div", [x, self._constant("scale", np.float32(SCALE))])
        return self._node("Transpose", [x], perm=[0, 3, 1, 2])

    def convolution(self, x: str, conv: str, norm: str, kernel: int = 1, stride: int = 1, groups: int = 1) -> str:
        """A convolution with its batch normalisation folded in."""
        statistics = (self._tensors[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        weight, bias = fold(self._tensors[f"{conv}.weight"], *statistics)
        before, after = same_padding(self._size, kernel, stride)
        self._size = math.ceil(self._size / stride)
        return self._node(
            "Conv",
            [x, self._constant(f"{conv}.weight", weight), self._constant(f"{conv}.bias", bias)],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=groups,
        )

    def relu6(self, x: str) -> str:
        return self._node("Clip", [x, self._constant("zero", np.float32(0)), self._constant("six", np.float32(6))])

    def bottleneck(self, x: str, prefix: str, block: Block) -> str:
        y = x
        if block.expand != 1:
            y = self.relu6(self.convolution(y, f"{prefix}_expand_conv", f"{prefix}_bn0"))
        channels = block.channels_in * block.expand
        y = self.convolution(
            y, f"{prefix}_depthwise_conv", f"{prefix}_bn1", kernel=block.kernel, stride=block.stride, groups=channels
        )
        y = self.convolution(self.relu6(y), f"{prefix}_project_conv", f"{prefix}_bn2")
        return self._node("Add", [y, x]) if block.shortcut else y

    def classifier(self, x: str, logits: str) -> None:
        x = self._node("Flatten", [self._node("GlobalAveragePool", [x])])
        weight, bias = (self._constant(name, self._tensors[name]) for name in ("_fc.weight", "_fc.bias"))
        self._node("Gemm", [x, weight, bias], output=logits, transB=1)

    def _constant(self, name: str, value: Floats | np.float32) -> str:
        from onnx import numpy_helper

        if all(constant.name != name for constant in self._graph.initializer):
            self._graph.initializer.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def _node(self, kind: str, inputs: list[str], output: str = "", **attributes: Any) -> str:  # noqa: ANN401 - as onnx has it
        from onnx import helper

        output = output or f"{len(self._graph.node)}.{kind}"
        self._graph.node.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

"""Models on onnxruntime: on the CPU, or on an NVIDIA GPU through its CUDA provider."""

from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import onnxruntime  # type: ignore[import-untyped]  # the package ships no types

from burstlens.errors import Misconfigured
from burstlens.recognition.cpu import has_vnni
from burstlens.recognition.provider import Provider
from burstlens.recognition.session import Tensor

_NAMES = {Provider.CPU: "CPUExecutionProvider", Provider.CUDA: "CUDAExecutionProvider"}

_DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(double)": "float64"}
"""Where onnxruntime's words for element types are not numpy's; the others are, as in ``tensor(uint8)``."""


def has_gpu() -> bool:
    """Whether this onnxruntime was built for NVIDIA GPUs, and the machine has one."""
    return _knows_cuda() and any(Path("/dev").glob("nvidia[0-9]*"))


class OnnxSession:
    """See `burstlens.recognition.session.Session` for the contract. It starts no thread of its own."""

    def __init__(
        self, session: onnxruntime.InferenceSession, provider: Provider, input_name: str, output_name: str
    ) -> None:
        self._session = session
        self._provider = provider
        self._input = _named(session.get_inputs(), input_name, "input")
        self._output = _named(session.get_outputs(), output_name, "output")

    @classmethod
    def load(cls, model: Path, provider: Provider, input_name: str = "", output_name: str = "") -> Self:
        """Load the ONNX file `model`; empty names mean its first input and output.

        Raises:
            Misconfigured: onnxruntime cannot load the file or lacks the provider, or the model has no such input.
        """
        if provider is Provider.CUDA and not _knows_cuda():
            message = "model.provider: this onnxruntime has no cuda; install onnxruntime-gpu in its place, or use cpu"
            raise Misconfigured(message)
        try:
            if provider is Provider.CUDA:
                onnxruntime.preload_dlls()  # finds CUDA and cuDNN where pip puts them, too
            # Its own fall-back would change to the CPU, at the start or in the middle, and only print that.
            session = onnxruntime.InferenceSession(model, _options(), providers=[_NAMES[provider]], enable_fallback=0)
        except Exception as error:  # onnxruntime's errors have no base of their own
            message = f"{model} is no model that onnxruntime {onnxruntime.__version__} can load: {_one_line(error)}"
            raise Misconfigured(message) from error
        if session.get_providers()[0] != _NAMES[provider]:
            # onnxruntime only warns when a provider does not start, and goes on without it.
            message = f"model.provider: {provider} does not start here; is there a GPU, with CUDA and cuDNN?"
            raise Misconfigured(message)
        return cls(session, provider, input_name, output_name)

    @property
    def provider(self) -> Provider:
        """What runs it."""
        return self._provider

    @property
    def runtime(self) -> str:
        """Provider, library and version; and VNNI, without which int8 may saturate."""
        return f"{self._provider}-onnxruntime-{onnxruntime.__version__}{'-vnni' if has_vnni() else ''}"

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of its input."""
        return _shape(self._input)

    @property
    def input_dtype(self) -> str:
        """Element type of its input."""
        kind = str(self._input.type)
        return _DTYPES.get(kind, kind.removeprefix("tensor(").removesuffix(")"))

    def run(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        """The output for one batch. Blocks; releases the GIL."""
        output: npt.NDArray[np.float32]
        (output,) = self._session.run([self._output.name], {self._input.name: tensor})
        return output


def _knows_cuda() -> bool:
    return _NAMES[Provider.CUDA] in onnxruntime.get_available_providers()


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # One process per core, one thread each: docs/decisions/0008-one-core.md has the measurements.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    # Weights outside of the arena, whose blocks are larger than what is in them: 7 MB less.
    options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
    # What fails is an error of ours; a line of its own would only be a second one.
    options.log_severity_level = 4
    # Spinning threads take the core from the other workers.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _named(nodes: list[onnxruntime.NodeArg], name: str, what: str) -> onnxruntime.NodeArg:
    if not name:
        return nodes[0]
    for node in nodes:
        if node.name == name:
            return node
    message = f"the model has no {what} {name!r}; it has: {', '.join(node.name for node in nodes)}"
    raise Misconfigured(message)


def _shape(node: onnxruntime.NodeArg) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in node.shape)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())

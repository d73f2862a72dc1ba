"""Models on OpenVINO (the extra `openvino`), on the CPU."""

import sys
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from burstlens.errors import Misconfigured
from burstlens.recognition.provider import Provider
from burstlens.recognition.session import Tensor

if TYPE_CHECKING:
    from openvino import CompiledModel, InferRequest  # type: ignore[import-untyped]  # the package ships no types

_ONE_THREAD = {
    # One process per core, one thread each: docs/decisions/0008-one-core.md has the measurements.
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    # A CPU with bfloat16 would otherwise be given it, and answer otherwise than the one beside it.
    "INFERENCE_PRECISION_HINT": "f32",
    # Two workers would be pinned to the same core.
    "ENABLE_CPU_PINNING": False,
}


class OpenVinoSession:
    """See `burstlens.recognition.session.Session` for the contract."""

    def __init__(self, model: "CompiledModel", version: str, input_name: str, output_name: str) -> None:
        self._model = model
        self._version = version
        self._input = input_name or 0
        self._output = model.output(output_name) if output_name else model.output(0)
        self._idle: SimpleQueue[InferRequest] = SimpleQueue()

    @classmethod
    def load(cls, model: Path, input_name: str = "", output_name: str = "") -> Self:
        """Load the ONNX file `model`; empty names mean its first input and output.

        Raises:
            Misconfigured: OpenVINO is not installed or cannot load the file, or the model has no such input.
        """
        # To import OpenVINO tells its maker, unless this package is missing: docs/decisions/0005-no-telemetry.md.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None forbids the import
        try:
            import openvino
        except ModuleNotFoundError as error:
            message = "model.provider: openvino is not installed; pip install 'burstlens[openvino]', or use cpu"
            raise Misconfigured(message) from error
        try:
            compiled = openvino.Core().compile_model(str(model), "CPU", _ONE_THREAD)
            for name, port in ((input_name, compiled.input), (output_name, compiled.output)):
                port(name or 0)
        except RuntimeError as error:
            text = " ".join(str(error).split())
            message = f"{model} is no model that OpenVINO {openvino.__version__} can load: {text}"
            raise Misconfigured(message) from error
        return cls(compiled, openvino.__version__, input_name, output_name)

    @property
    def provider(self) -> Provider:
        """What runs it."""
        return Provider.OPENVINO

    @property
    def runtime(self) -> str:
        """Provider, library and version."""
        return f"openvino-{self._version}"

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of its input."""
        shape = self._model.input(self._input).get_partial_shape()
        return tuple(size.get_length() if size.is_static else None for size in shape)

    @property
    def input_dtype(self) -> str:
        """Element type of its input."""
        return str(self._model.input(self._input).element_type.to_dtype())

    def run(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        """The output for one batch. Blocks; releases the GIL."""
        # A request serves one call at a time: there are as many as there were calls at once.
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        try:
            return np.array(request.infer({self._input: tensor})[self._output])
        finally:
            self._idle.put(request)

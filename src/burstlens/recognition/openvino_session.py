"""Models on OpenVINO (the extra `openvino`), on the CPU."""

import sys
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from burstlens.errors import Misconfigured
from burstlens.recognition.cpu import has_vnni
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
    """See `burstlens.recognition.session.Session` for the contract.

    Where the model leaves the number of pictures open, this fixes it to one: it is a tenth faster so, and a classifier
    gives it one at a time. It runs in its caller's thread; OpenVINO starts two beside it, which sleep.
    """

    def __init__(self, model: "CompiledModel", version: str, input_index: int, output_index: int) -> None:
        self._model = model
        self._version = version
        self._input = input_index
        self._output = output_index
        self._idle: SimpleQueue[InferRequest] = SimpleQueue()

    @classmethod
    def load(cls, model: Path, input_name: str = "", output_name: str = "") -> Self:
        """Load the ONNX file `model`; empty names mean its first input and output.

        Raises:
            Misconfigured: OpenVINO is not installed or cannot load the file, or the model has no such input or output.
        """
        # To import OpenVINO tells its maker, unless this package is missing: docs/decisions/0005-no-telemetry.md.
        sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None forbids the import
        try:
            import openvino
        except ModuleNotFoundError as error:
            message = "model.provider: openvino is not installed; pip install 'burstlens[openvino]', or use cpu"
            raise Misconfigured(message) from error
        version = openvino.__version__.partition("-")[0]
        try:
            core = openvino.Core()
            graph = core.read_model(model)
            input_index = _index(graph.inputs, input_name, "input")
            output_index = _index(graph.outputs, output_name, "output")
            shape = graph.inputs[input_index].get_partial_shape()
            if len(shape) and shape[0].is_dynamic:
                shape[0] = 1
                graph.reshape({input_index: shape})
            compiled = core.compile_model(graph, "CPU", _ONE_THREAD)
        except RuntimeError as error:
            message = f"{model} is no model that OpenVINO {version} can load: {' '.join(str(error).split())}"
            raise Misconfigured(message) from error
        return cls(compiled, version, input_index, output_index)

    @property
    def provider(self) -> Provider:
        """What runs it."""
        return Provider.OPENVINO

    @property
    def runtime(self) -> str:
        """Provider, library and version."""
        return f"{self.provider}-{self._version}{'-vnni' if has_vnni() else ''}"

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Shape of its input."""
        shape = self._model.inputs[self._input].get_partial_shape()
        return tuple(size.get_length() if size.is_static else None for size in shape)

    @property
    def input_dtype(self) -> str:
        """Element type of its input."""
        return str(self._model.inputs[self._input].element_type.to_dtype())

    def run(self, tensor: Tensor) -> npt.NDArray[np.float32]:
        """The output for one batch. Blocks; releases the GIL."""
        # A request serves one call at a time: there are as many as there were calls at once.
        try:
            request = self._idle.get_nowait()
        except Empty:
            request = self._model.create_infer_request()
        try:
            # Not shared with the request, which the next call may overwrite: OpenVINO copies unless told otherwise.
            output: npt.NDArray[np.float32] = request.infer({self._input: tensor})[self._output]
            return output
        finally:
            self._idle.put(request)


def _index(ports: list[Any], name: str, what: str) -> int:
    if not name:
        return 0
    for index, port in enumerate(ports):
        if name in port.names:
            return index
    found = ", ".join(port.any_name for port in ports)
    message = f"the model has no {what} {name!r}; it has: {found}"
    raise Misconfigured(message)

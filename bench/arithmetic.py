"""What one core can compute, and what a model asks of it."""

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import onnxruntime  # type: ignore[import-untyped]  # the package ships no types
from onnx import TensorProto, helper, numpy_helper

SIZES = (256, 512)
"""Of square matrices: large enough to be bound by arithmetic, small enough to stay in the core's caches."""

_REPEATS = 5


def limit() -> float:
    """Floating-point operations a second of one core in float32: the fastest of numpy's and onnxruntime's products.

    A product of two n × n matrices is 2 n³ operations; CPU time. OPENBLAS_NUM_THREADS must be 1 before numpy is loaded.
    """
    return max(_rate(product, size) for size in SIZES for product in (_numpy(size), _onnxruntime(size)))


def multiplications(file: Path) -> int:
    """Multiply-accumulates of one picture's way through the convolutions and products of an ONNX file.

    Raises:
        onnx.shape_inference.InferenceError: the shapes of the graph contradict each other.
    """
    graph = onnx.shape_inference.infer_shapes(onnx.load(file), strict_mode=True, data_prop=True).graph
    shapes = {value.name: _shape(value) for value in (*graph.input, *graph.value_info, *graph.output)}
    weights = {constant.name: tuple(constant.dims) for constant in graph.initializer}
    total = 0
    for node in graph.node:
        if node.op_type in {"Conv", "Gemm", "MatMul"}:
            # Every element of the output is a sum over one filter, or one row.
            weight = weights[node.input[1]]
            transposed = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            terms = math.prod(weight[1:]) if node.op_type == "Conv" or transposed else weight[0]
            total += terms * math.prod(shapes[node.output[0]][1:])
    return total


def _shape(value: onnx.ValueInfoProto) -> tuple[int, ...]:
    return tuple(dimension.dim_value for dimension in value.type.tensor_type.shape.dim)


def _rate(product: Callable[[], object], size: int) -> float:
    product()
    best = math.inf
    for _ in range(_REPEATS):
        before = time.thread_time()
        product()
        best = min(best, time.thread_time() - before)
    return 2 * size**3 / best


def _matrices(size: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], ...]:
    random = np.random.default_rng(0)
    return tuple(random.random((size, size), np.float32) for _ in range(2))


def _numpy(size: int) -> Callable[[], object]:
    a, b = _matrices(size)
    return partial(np.matmul, a, b, out=np.empty_like(a))


def _onnxruntime(size: int) -> Callable[[], object]:
    a, b = _matrices(size)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [size, size]) for name in ("a", "c")]
    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "product", ends[:1], ends[1:], [numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"a": a})

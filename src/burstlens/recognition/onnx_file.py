"""What an ``.onnx`` file says of itself, before anything runs it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from burstlens.errors import Misconfigured

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

_OWN_DOMAINS = ("", "ai.onnx")
"""The two names of ONNX's own operators (``ONNX_DOMAIN`` and ``AI_ONNX_DOMAIN`` in onnx/defs/schema.h)."""


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """What a model needs of whoever runs it."""

    opset: int
    """Version of ONNX's own operators."""
    inputs: tuple[str, ...]
    """What has to be fed; weights that older files list among the inputs are not."""
    foreign: tuple[str, ...]
    """Operators of others, as ``DOMAIN:OPERATOR``, sorted."""


def read_onnx(file: Path) -> OnnxFile:
    """Read the graph; importing `onnx` takes 0.1 s, so only a verification does it.

    Raises:
        Misconfigured: it is no ONNX file, does not say what it needs, or keeps its weights in other files, which no
            sha256 would cover.
    """
    import onnx
    from onnx.external_data_helper import uses_external_data

    try:
        model = onnx.load(file, load_external_data=False)
    except Exception as error:  # protobuf's errors have no base that onnx makes public
        message = f"{file} is no ONNX file: {error}"
        raise Misconfigured(message) from error
    versions = [int(opset.version) for opset in model.opset_import if opset.domain in _OWN_DOMAINS]
    if not versions:
        message = f"{file} does not say which version of ONNX's operators it needs"
        raise Misconfigured(message)
    if any(map(uses_external_data, _tensors(model.graph))):
        message = f"{file} keeps weights in other files; save it with all of them inside (docs/models.md)"
        raise Misconfigured(message)
    weights = {weight.name for weight in model.graph.initializer}
    foreign = {f"{node.domain}:{node.op_type}" for node in model.graph.node if node.domain not in _OWN_DOMAINS}
    inputs = tuple(value.name for value in model.graph.input if value.name not in weights)
    return OnnxFile(versions[0], inputs, tuple(sorted(foreign)))


def _tensors(graph: "GraphProto") -> "Iterator[TensorProto]":
    """All that a graph and the graphs inside it hold: weights, constants, branches."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _tensors(inner)


def newest_opset() -> int:
    """The newest version of ONNX's operators that the installed `onnx` knows."""
    import onnx

    return int(onnx.defs.onnx_opset_version())

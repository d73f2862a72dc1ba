"""A model so small that its file is written here: it tells whether a picture is red, green or blue."""

import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from burstlens.recognition.manifest import Known, Manifest, write_manifest

LABELS = ("red", "green", "blue")

MANIFEST = Manifest(
    title="colours",
    size=8,
    mean=(127.0, 127.0, 127.0),
    scale=(8.0, 8.0, 8.0),
    labels=LABELS,
    known=Known(picture="green.png", label="green"),
)


def colour(name: str, kind: str = "PNG") -> bytes:
    """A picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (30, 20), name).save(file, kind)
    return file.getvalue()


def graph(output: str = "Identity", opset: int = 17, dtype: int = TensorProto.FLOAT) -> bytes:
    """The mean of each channel, ``[n, 3, 8, 8]`` to ``[n, 3]``, through the operator `output`."""
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["float"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["means"]),
        helper.make_node(output, ["means"], ["scores"]),
    ]
    shape = numpy_helper.from_array(np.array([-1, 3], np.int64), "shape")
    pixels = helper.make_tensor_value_info("pixels", dtype, ["n", 3, 8, 8])
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])
    made = helper.make_graph(nodes, "colours", [pixels], [scores], [shape])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def written(folder: Path, model: bytes = b"", **changes: object) -> Path:
    """The model with its manifest and its known picture in `folder`; `changes` are the manifest's."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "colours.onnx"
    file.write_bytes(model or graph())
    manifest = Manifest.model_validate(MANIFEST.model_dump() | changes)
    file.with_suffix(".toml").write_text(write_manifest(manifest))
    (folder / "green.png").write_bytes(colour("green"))
    return file

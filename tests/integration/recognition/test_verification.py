"""A model is verified once, before it serves; what is wrong with it is one line."""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from burstlens.errors import Misconfigured
from burstlens.recognition.loading import load_classifier
from burstlens.recognition.provider import Provider
from burstlens.recognition.sources import find_model
from burstlens.recognition.verification import Verification, verify
from support.colours import colour, graph, written
from support.commands import Home


def verified(file: Path) -> Verification:
    model = find_model(str(file))
    return verify(model, Provider.AUTO)


def stamps(cache: Path) -> list[Path]:
    return sorted(cache.glob("verified-*.json"))


def test_a_good_model_is_described(tmp_path: Path) -> None:
    file = written(tmp_path)
    found = verified(file)
    assert found.title == "colours"
    assert found.opset == 17
    assert found.input_shape == (None, 3, 8, 8)
    assert (found.input_dtype, found.classes, found.provider) == ("float32", 3, "cpu")
    assert found.known == "green, 1.000"
    assert dict(found.lines())["input"] == "float32 [n, 3, 8, 8]"


def test_every_model_of_the_catalogue_knows_its_picture(cache: Path) -> None:
    for name in ("lite0", "lite1", "lite2"):
        model = find_model(name, cache=cache)
        assert verify(model, Provider.AUTO).known.startswith("macaw, 0.")


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"size": 16}, r"its input is \[n, 3, 8, 8\]; .* size 16 mean \[n, 3, 16, 16\]"),
        ({"layout": "nhwc"}, r"layout nhwc and size 8 mean \[n, 8, 8, 3\]"),
        ({"dtype": "uint8", "mean": (0, 0, 0), "scale": (1, 1, 1)}, "its input is float32, and not uint8"),
        ({"labels": ("one", "two"), "known": None}, r"its output is \[1, 3\], but there are 2 labels"),
        ({"softmax": False}, "no probabilities; if they are logits, the manifest must say softmax = true"),
        ({"labels": ("blue", "red", "green")}, "takes the known picture, green, for 'red'; do layout"),
        ({"input": "picture"}, "no input 'picture'; it has: pixels"),
        ({"output": "logits"}, "no output 'logits'; it has: scores"),
    ],
)
def test_a_model_that_its_manifest_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], wrong: str) -> None:
    file = written(tmp_path / "model", **changes)
    with pytest.raises(Misconfigured, match=wrong):
        load_classifier(str(file), cache=tmp_path / "cache")
    assert stamps(tmp_path / "cache") == []


@pytest.mark.parametrize(
    ("model", "wrong"),
    [
        (graph("Log"), "not finite for a grey picture"),
        (graph(dtype=TensorProto.FLOAT16), "its input is float16, and not float32"),
        (b"no model", "colours.onnx is no ONNX file"),
    ],
)
def test_a_model_that_cannot_serve_is_refused(tmp_path: Path, model: bytes, wrong: str) -> None:
    file = written(tmp_path / "model", model, mean=(128, 128, 128))
    with pytest.raises(Misconfigured, match=wrong):
        load_classifier(str(file), cache=tmp_path / "cache")


def changed(change: Callable[[onnx.ModelProto], object]) -> bytes:
    model = onnx.load_from_string(graph())
    change(model)
    return bytes(model.SerializeToString())


def another_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["n", 3]))


def weights_elsewhere(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")


def newer_operators(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


def foreign_operator(model: onnx.ModelProto, domain: str, operator: str) -> None:
    model.opset_import.append(helper.make_opsetid(domain, 1))
    model.graph.node[-1].domain, model.graph.node[-1].op_type = domain, operator


def half_precision_output(model: onnx.ModelProto) -> None:
    last = model.graph.node[-1]
    last.op_type = "Cast"
    last.attribute.append(helper.make_attribute("to", TensorProto.FLOAT16))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def list_output(model: onnx.ModelProto) -> None:
    model.graph.node[-1].op_type = "SequenceConstruct"
    model.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("scores", TensorProto.FLOAT, None))


def failing_node(model: onnx.ModelProto) -> None:
    shape = numpy_helper.from_array(np.array([-1, 7], np.int64), "shape")
    model.graph.initializer[0].CopyFrom(shape)
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "classes"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (another_input, "it has the inputs pixels, mask; one picture"),
        (weights_elsewhere, "keeps weights in other files"),
        (newer_operators, r"it needs version 999 of ONNX's operators; \d+ is the newest known here"),
        (partial(foreign_operator, domain="my.ops", operator="Magic"), "my.ops:Magic"),
        (half_precision_output, "its output is float16, and not float32"),
        (list_output, "its output is list, and not float32"),
        (failing_node, "it cannot be run on a grey picture: .* Reshape"),
        (lambda model: model.ClearField("opset_import"), "colours.onnx"),
    ],
)
def test_a_graph_that_cannot_serve_is_one_line(
    tmp_path: Path, change: Callable[[onnx.ModelProto], object], wrong: str
) -> None:
    file = written(tmp_path / "model", changed(change), known=None)
    with pytest.raises(Misconfigured, match=wrong) as caught:
        load_classifier(str(file), cache=tmp_path / "cache")
    assert "\n" not in str(caught.value)
    assert stamps(tmp_path / "cache") == []


def test_operators_of_others_are_named(tmp_path: Path) -> None:
    gelu = partial(foreign_operator, domain="com.microsoft", operator="Gelu")
    found = verified(written(tmp_path, changed(gelu)))
    assert found.foreign == ("com.microsoft:Gelu",)
    assert dict(found.lines())["opset"] == "17, and com.microsoft:Gelu"


def test_an_undecodable_known_picture_is_said(tmp_path: Path) -> None:
    file = written(tmp_path)
    (tmp_path / "green.png").write_bytes(colour("green")[:40])
    with pytest.raises(Misconfigured, match="its known picture cannot be decoded"):
        verified(file)


def test_probabilities_are_taken_as_they_are(tmp_path: Path) -> None:
    file = written(tmp_path, graph("Softmax"), softmax=False)
    assert verified(file).known == "green, 1.000"


def test_it_is_verified_again_only_after_a_change(tmp_path: Path) -> None:
    file, cache = written(tmp_path / "model"), tmp_path / "cache"
    load_classifier(str(file), cache=cache)
    first = stamps(cache)
    assert len(first) == 1
    first[0].write_text("seen")
    load_classifier(str(file), cache=cache)
    assert [stamp.read_text() for stamp in stamps(cache)] == ["seen"]

    changed = onnx.load(file)
    changed.doc_string = "another file"
    onnx.save(changed, file)
    load_classifier(str(file), cache=cache)
    assert len(stamps(cache)) == 2
    written(tmp_path / "model", title="another manifest")
    load_classifier(str(file), cache=cache)
    assert len(stamps(cache)) == 3


def test_a_cache_that_cannot_be_written_does_not_stop_it(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    assert load_classifier(str(written(tmp_path / "model")), cache=tmp_path / "cache").model == "colours"


def test_a_verified_model_starts_without_the_checks(tmp_path: Path) -> None:
    file, cache = written(tmp_path / "model"), tmp_path / "cache"
    load_classifier(str(file), cache=cache)
    script = "import sys\nfrom pathlib import Path\nfrom burstlens.recognition.loading import load_classifier\n"
    script += "load_classifier(sys.argv[1], cache=Path(sys.argv[2]))\nprint('onnx' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script, str(file), str(cache)], capture_output=True, check=True, text=True
    )
    assert run.stdout == "False\n"


@pytest.mark.anyio
async def test_a_failing_model_stops_the_worker_with_one_line(home: Home) -> None:
    written(home.folder, labels=("one", "two"), known=None)
    (home.folder / "burstlens.toml").write_text('[model]\nname = "colours.onnx"\n')
    done = await home.run("worker", "--processes", 1)
    assert done.code == 1
    assert done.err == "burstlens: colours.onnx: its output is [1, 3], but there are 2 labels\n"


def test_it_is_verified_again_on_another_runtime_and_for_other_labels(tmp_path: Path) -> None:
    file, cache = written(tmp_path / "model", labels="names.txt"), tmp_path / "cache"
    names = tmp_path / "model" / "names.txt"
    names.write_text("red\ngreen\nblue\n")
    load_classifier(str(file), cache=cache, provider=Provider.CPU)
    load_classifier(str(file), cache=cache, provider=Provider.OPENVINO)
    assert len(stamps(cache)) == 2
    names.write_text("green\nred\nblue\n")
    with pytest.raises(Misconfigured, match="takes the known picture, green, for 'red'"):
        load_classifier(str(file), cache=cache, provider=Provider.CPU)


def test_weights_of_constants_and_branches_in_other_files_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(graph())
    shape = next(constant for constant in model.graph.initializer if constant.name == "shape")
    outside = onnx.TensorProto()
    outside.CopyFrom(shape)
    outside.ClearField("raw_data")
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value="shape.data")
    model.graph.initializer.remove(shape)
    model.graph.node.insert(0, onnx.helper.make_node("Constant", [], ["shape"], value=outside))
    file = written(tmp_path, bytes(model.SerializeToString()))
    (tmp_path / "shape.data").write_bytes(shape.raw_data)
    with pytest.raises(Misconfigured, match="keeps weights in other files"):
        verified(file)

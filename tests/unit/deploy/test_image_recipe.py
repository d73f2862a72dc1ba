"""What a builder is told, and which orders are the same image."""

import json
import re
from dataclasses import replace

import pytest

from burstlens.clouds.user_data import MAX_BYTES, worker_user_data
from burstlens.deploy.aws.images import Source
from burstlens.deploy.aws.recipe import Place, Recipe
from burstlens.deploy.image import unit_files
from support.image_builder import cloud_config, settings_of

RECIPE = Recipe(Source("a" * 64, "0.1.0", "ami-0123456789abcdef0"), "burstlens-0.1.0-py3-none-any.whl", (), "lite0")
PLACE = Place("eu-central-1", "fleet-bucket", "", "run1", {})


def test_the_user_data_is_small_enough_for_every_cloud_with_the_longest_names() -> None:
    place = Place("ap-southeast-99", "b" * 63, "p" * 200 + "/", "r" * 32, {"SSEKMSKeyId": "k" * 200})

    assert len(RECIPE.user_data(place).encode()) < MAX_BYTES * 0.6


def test_the_user_data_has_the_structure_of_a_workers() -> None:
    worker, builder = cloud_config(worker_user_data({})), cloud_config(RECIPE.user_data(PLACE))

    assert set(builder) - set(worker) == {"packages", "package_update"}
    assert set(worker) <= set(builder)
    assert {frozenset(file) for file in worker["write_files"]} == {frozenset(file) for file in builder["write_files"]}


def test_the_user_data_holds_no_secret_and_no_signed_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI-EXAMPLEKEY")

    told = RECIPE.user_data(PLACE)

    assert "EXAMPLE" not in told
    assert not re.search(r"(?i)X-Amz-|signature|secret|password|token|BEGIN |A[KS]IA[0-9A-Z]{16}|https?://", told)


def test_the_image_gets_every_unit_and_the_builder_powers_off_last() -> None:
    config = cloud_config(RECIPE.user_data(PLACE))

    files = {file["path"]: file["content"] for file in config["write_files"]}
    assert {name: files[f"/etc/systemd/system/{name}"] for name in unit_files()} == unit_files()
    assert config["runcmd"][-1] == ["poweroff"]
    assert config["packages"] == ["python3-botocore", "python3-venv"]


def test_nothing_of_the_builders_own_stays_in_the_image() -> None:
    files = [file["path"] for file in cloud_config(RECIPE.user_data(PLACE))["write_files"]]

    assert all(path.startswith(("/run/", "/etc/systemd/system/", "/etc/cloud/")) for path in files)


def test_the_settings_say_where_everything_is() -> None:
    told = settings_of(RECIPE.user_data(replace(PLACE, prefix="team/", encryption={"ServerSideEncryption": "AES256"})))

    assert told["WHEEL_KEY"] == f"team/images/{'a' * 64}/burstlens-0.1.0-py3-none-any.whl"
    assert (told["MARKER_KEY"], told["LOG_KEY"]) == ("team/builds/run1/done", "team/builds/run1/log")
    assert json.loads(told["ENCRYPTION"]) == {"ServerSideEncryption": "AES256"}
    assert told["EXTRAS"] == "aws"


def test_a_build_is_the_same_wherever_and_whenever_it_runs_and_another_for_anything_that_the_image_holds() -> None:
    source = RECIPE.source
    others = [
        replace(RECIPE, source=replace(source, wheel="b" * 64)),
        replace(RECIPE, source=replace(source, base="ami-1")),
        replace(RECIPE, extras=("openvino",)),
        replace(RECIPE, model="lite1"),
    ]

    assert RECIPE.build == replace(RECIPE).build
    assert len({RECIPE.build, *(other.build for other in others)}) == 5
    assert RECIPE.build == replace(RECIPE, extras=("aws",)).build

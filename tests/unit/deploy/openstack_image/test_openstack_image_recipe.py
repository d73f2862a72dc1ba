"""Which orders are the same image, and what the image is told to be."""

import re
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from burstlens.deploy.image import unit_files
from burstlens.deploy.openstack_image import baking
from burstlens.deploy.openstack_image.properties import SHUTDOWN_SECONDS
from burstlens.deploy.openstack_image.recipe import Recipe
from burstlens.deploy.openstack_image.source import stem
from burstlens.deploy.wheel import Wheel
from burstlens.errors import Misconfigured

WHEEL = Wheel(Path("burstlens-0.1.0-py3-none-any.whl"), "0.1.0", "a" * 64)
RECIPE = Recipe(WHEEL, "bookworm")


def test_the_same_wheel_with_the_same_extras_is_the_same_build() -> None:
    elsewhere = replace(WHEEL, path=Path("/elsewhere") / WHEEL.path)

    assert replace(RECIPE, wheel=elsewhere).build == RECIPE.build
    assert replace(RECIPE, extras=("aws",)).build == RECIPE.build
    assert replace(RECIPE, extras=("heif", "faces")).build == replace(RECIPE, extras=("faces", "heif")).build


def test_another_wheel_release_extra_or_model_is_another_build(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [
        replace(RECIPE, wheel=replace(WHEEL, sha256="b" * 64)),
        replace(RECIPE, suite="trixie"),
        replace(RECIPE, extras=("heif",)),
        replace(RECIPE, model="lite1"),
    ]
    builds = {recipe.build for recipe in (RECIPE, *others)}
    monkeypatch.setattr(baking, "texts", lambda: {"disk.sh": "another step"})

    assert len(builds | {RECIPE.build}) == 6


def test_a_cloud_waits_longer_for_a_shutdown_than_the_worker_drains() -> None:
    unit = unit_files()["burstlens-worker.service"]
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)

    assert int(seconds) + 20 <= SHUTDOWN_SECONDS
    assert RECIPE.properties["os_shutdown_timeout"] == str(SHUTDOWN_SECONDS)


def test_nobody_logs_in_to_an_image_with_a_password() -> None:
    texts = baking.texts()

    assert "PasswordAuthentication no" in texts["sshd.conf"]
    assert "ssh_pwauth: false" in texts["cloud.cfg"]


def test_nothing_that_goes_into_an_image_names_where_packages_come_from() -> None:
    assert not re.search(r"https?://", "\n".join(baking.texts().values()))


def test_an_extra_that_the_package_does_not_have_is_refused(tmp_path: Path) -> None:
    path = tmp_path / WHEEL.name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("burstlens-0.1.0.dist-info/METADATA", "Name: burstlens\nProvides-Extra: heif\n")
    recipe = replace(RECIPE, wheel=replace(WHEEL, path=path))

    replace(recipe, extras=("heif",)).check_extras()
    with pytest.raises(Misconfigured, match="no extra 'heic'; it has heif"):
        replace(recipe, extras=("heic",)).check_extras()


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("s3://bucket/exports/export-ami-0abc.vmdk", "export-ami-0abc"),
        ("/srv/My disk (1).qcow2", "My-disk-1"),
        ("../.vmdk", "disk"),
    ],
)
def test_an_image_is_called_as_its_file_is(address: str, name: str) -> None:
    assert stem(address) == name

"""What the commands refuse before they ask any cloud."""

from pathlib import Path

import pytest

from support.commands import Home
from support.disk_files import needs_qemu_img

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("bake", "--cloud", "openstack", "--base", "ami-1"), "this machine bakes"),
        (("bake", "--cloud", "openstack", "--no-upload"), "--no-upload without --output keeps nothing"),
        (("bake", "--cloud", "ec2", "--output", "."), "burstlens image export"),
        (
            ("bake", "--cloud", "openstack", "--extra", "nonsense", "--no-upload", "--output", "."),
            "no extra 'nonsense'",
        ),
        (("import", "disk.zip", "--format", "zip"), "'zip' is not one of"),
        (("list", "--cloud", "openstack"), "no cloud 'elsewhere'"),
        (("prune", "--cloud", "openstack"), "no cloud 'elsewhere'"),
    ],
)
async def test_what_cannot_work_is_one_line(home: Home, words: tuple[str, ...], line: str) -> None:
    done = await home.run("image", *words, BURSTLENS_OPENSTACK__CLOUD="elsewhere")

    assert done.code != 0
    assert done.err.count("\n") == 1
    assert line in done.err


@needs_qemu_img
async def test_a_file_that_is_not_there_is_one_line(home: Home) -> None:
    done = await home.run("image", "import", Path("missing.vmdk"))

    assert done.err == "burstlens: missing.vmdk: there is no such file\n"
    assert list(home.temporary.iterdir()) == []

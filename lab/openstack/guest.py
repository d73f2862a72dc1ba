"""The image that guests of the compute `real` boot: the product's own, registered in two formats."""

import subprocess
import sys
from pathlib import Path

from burstlens.errors import Unavailable
from lab.openstack.content import connected
from lab.openstack.layout import Lab

FORMATS = ("qcow2", "vmdk")


def image(lab: Lab) -> None:
    """Bake the image unless it is there, and put it into glance as ``guest-qcow2`` and ``guest-vmdk``. Idempotent.

    Raises:
        Unavailable: it failed; the text is what the bake said.
    """
    with connected(lab, "admin") as cloud:
        missing = [kind for kind in FORMATS if not cloud.image.find_image(f"guest-{kind}")]
        files = baked(lab) if missing else {}
        for kind in missing:
            cloud.create_image(
                f"guest-{kind}",
                filename=str(files[kind]),
                disk_format=kind,
                container_format="bare",
                visibility="public",
                wait=True,
            )


def baked(lab: Lab) -> dict[str, Path]:
    """The image's file in each of `FORMATS`; what was baked of these sources already is used again.

    Raises:
        Unavailable: the bake failed.
    """
    folder = lab.folder / "guest"
    folder.mkdir(exist_ok=True)
    # In this process's own environment, where apt's and pip's configuration is.
    done = subprocess.run(
        (sys.executable, "-m", "burstlens", "image", "bake", "--cloud", "openstack", "--no-upload", "--output", folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(done.stderr.strip() or done.stdout.strip())
    # It ends with a line for each file.
    files = [Path(line) for line in done.stdout.splitlines()[-len(FORMATS) :]]
    return {file.suffix.removeprefix("."): file for file in files}

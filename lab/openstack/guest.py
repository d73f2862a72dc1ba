"""The image that guests of the compute `real` boot: made here, and registered in two formats."""

import platform
from pathlib import Path

from burstlens.errors import Misconfigured
from lab.openstack.content import connected
from lab.openstack.layout import HERE, Lab
from lab.openstack.processes import call

FORMATS = ("qcow2", "vmdk")
_SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


def image(lab: Lab) -> None:
    """Make the image unless it is there, and put it into glance as ``guest-qcow2`` and ``guest-vmdk``. Idempotent.

    Raises:
        Misconfigured: apt's sources are not where Debian has them.
        Unavailable: it failed; the text is what the tools said.
    """
    with connected(lab, "admin") as cloud:
        missing = [kind for kind in FORMATS if not cloud.image.find_image(f"guest-{kind}")]
        if missing:
            build = _built(lab)
        for kind in missing:
            cloud.create_image(
                f"guest-{kind}",
                filename=str(build / f"guest.{kind}"),
                disk_format=kind,
                container_format="bare",
                visibility="public",
                wait=True,
            )


def _built(lab: Lab) -> Path:
    """The folder of the image's files."""
    build = lab.folder / "guest"
    build.mkdir(exist_ok=True)
    # The last file that the script writes.
    if not (build / "guest.qcow2").exists():
        suite = platform.freedesktop_os_release()["VERSION_CODENAME"]
        program = (f"{HERE}/guest.sh", str(build), suite, str(_sources()))
        call(lab, "guest", "unshare", "--mount", "--propagation=private", *program)
    return build


def _sources() -> Path:
    """Where this machine has its packages from; the guest has its from there, too."""
    for path in _SOURCES:
        if path.exists():
            return path
    message = f"none of {', '.join(map(str, _SOURCES))} is there: apt has no sources"
    raise Misconfigured(message)

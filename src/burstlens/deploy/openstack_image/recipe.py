"""All that decides what an image holds, and what the scripts that make its disk are told."""

import hashlib
import json
import re
import zipfile
from dataclasses import dataclass

from burstlens.deploy.image import unit_files
from burstlens.deploy.openstack_image import baking
from burstlens.deploy.openstack_image.image import BUILD, VERSION, WHEEL
from burstlens.deploy.openstack_image.properties import HARDWARE
from burstlens.deploy.wheel import Wheel
from burstlens.errors import Misconfigured

PREFIX = "/opt/burstlens"
STATE = "/var/lib/burstlens"
CACHE = "/var/cache/burstlens"

PACKAGES = (
    *("linux-image-cloud-amd64", "systemd-sysv", "systemd-resolved", "systemd-timesyncd", "udev", "iproute2", "zstd"),
    # logind hears the power button, which is how a cloud stops a server.
    "dbus",
    *("cloud-init", "cloud-guest-utils", "fdisk"),
    *("openssh-server", "sudo", "ca-certificates", "netbase", "python3-venv"),
)
_EXTRA = re.compile(r"^Provides-Extra: (\S+)$", re.MULTILINE)
_OWN = frozenset({"aws", "openstack"})
"""Extras that every image has: a worker asks AWS for its queue, an autoscaler OpenStack for servers."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One image."""

    wheel: Wheel
    suite: str
    """Debian's code name of the release, such as ``bookworm``."""
    extras: tuple[str, ...] = ()
    """Of the package, beside its own."""
    model: str = "lite0"
    """A name of the catalogue: it is converted into the image's cache, so that no worker has to."""

    @property
    def all_extras(self) -> str:
        """As pip has them, between its brackets."""
        return ",".join(sorted(_OWN | set(self.extras)))

    @property
    def settings(self) -> dict[str, str]:
        """What the scripts are told."""
        return {
            "SUITE": self.suite,
            "PACKAGES": ",".join(PACKAGES),
            "VERSION": self.wheel.version,
            "EXTRAS": self.all_extras,
            "MODEL": self.model,
            "PREFIX": PREFIX,
            "STATE": STATE,
            "CACHE": CACHE,
        }

    @property
    def build(self) -> str:
        """16 hex digits: the same for the same wheel, extras, model and steps, so that no image is baked twice."""
        # What Debian has mended since is not part of it: who wants that removes the image, and bakes again.
        told = [self.wheel.sha256, self.settings, baking.texts(), unit_files()]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]

    def check_extras(self) -> None:
        """Raise `Misconfigured` if the package has none of such a name: pip would only warn."""
        with zipfile.ZipFile(self.wheel.path) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            there = set(_EXTRA.findall(archive.read(name).decode()))
        if unknown := sorted(set(self.extras) - there):
            message = f"{self.wheel.name} has no extra {unknown[0]!r}; it has {', '.join(sorted(there))}"
            raise Misconfigured(message)

    def name(self, fleet: str) -> str:
        """Of the image in Glance."""
        return f"{fleet}-{self.wheel.version}"

    @property
    def properties(self) -> dict[str, str]:
        """What Glance is told of it."""
        own = {VERSION: self.wheel.version, WHEEL: self.wheel.sha256, BUILD: self.build}
        return {**HARDWARE, "os_distro": "debian", "os_admin_user": "debian", **own}

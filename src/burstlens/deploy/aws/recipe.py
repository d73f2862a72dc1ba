"""What goes into an image, and the user data that makes a builder put it there."""

import hashlib
import importlib.resources
import json
from collections.abc import Mapping
from dataclasses import dataclass

from burstlens.clouds.user_data import cloud_config, environment_file
from burstlens.deploy.aws import baking
from burstlens.deploy.aws.images import Source
from burstlens.deploy.image import unit_files

FOLDER = "/run/burstlens-bake"
"""Of the builder's scripts: in memory, so not part of the image. cloud-init's documentation asks for /run, not /tmp."""
PREFIX = "/opt/burstlens"
STATE = "/var/lib/burstlens"
CACHE = "/var/cache/burstlens"

DATASOURCES = "datasource_list: [Ec2, ConfigDrive, OpenStack, None]\n"
"""Of cloud-init in the image: an OpenStack that it is exported to brings user data on a config drive."""

_PACKAGES = ("python3-botocore", "python3-venv")
_FILES = ("bake.sh", "steps.sh", "install.sh", "transfer.py")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that decides what an image holds."""

    source: Source
    wheel_name: str
    extras: tuple[str, ...]
    """Of the package; `aws` is always among them."""
    model: str
    """A name of the catalogue: it is converted into the image's cache, so that no worker has to."""

    @property
    def build(self) -> str:
        """16 hex digits: the same for the same wheel, base and steps, so that no image is baked twice."""
        place = Place(region="", bucket="", prefix="", run="", encryption={})
        told = self.user_data(place)
        return hashlib.sha256(f"{self.source.base}\n{told}".encode()).hexdigest()[:16]

    def user_data(self, place: "Place") -> str:
        """What the builder is told: cloud-init's, as every machine's, and without a secret."""
        texts = importlib.resources.files(baking)
        settings = {
            "REGION": place.region,
            "BUCKET": place.bucket,
            "ENCRYPTION": json.dumps(dict(place.encryption)),
            "WHEEL": self.wheel_name,
            "WHEEL_SHA256": self.source.wheel,
            "WHEEL_KEY": place.wheel_key(self.source.wheel, self.wheel_name),
            "MARKER_KEY": place.marker_key,
            "LOG_KEY": place.log_key,
            "EXTRAS": ",".join(sorted({"aws", *self.extras})),
            "MODEL": self.model,
            "PREFIX": PREFIX,
            "STATE": STATE,
            "CACHE": CACHE,
        }
        files = {f"/etc/systemd/system/{name}": text for name, text in unit_files().items()}
        files["/etc/cloud/cloud.cfg.d/99_burstlens.cfg"] = DATASOURCES
        files |= {f"{FOLDER}/{name}": texts.joinpath(name).read_text(encoding="utf-8") for name in _FILES}
        files[f"{FOLDER}/settings"] = environment_file(settings)
        # A command of cloud-init's runs whatever the one before it did: the builder always powers off.
        return cloud_config(files, [["sh", f"{FOLDER}/bake.sh"], ["poweroff"]], _PACKAGES)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the fleet's bucket one run of a builder finds the wheel, and leaves word."""

    region: str
    bucket: str
    prefix: str
    """Of every key: empty, or ends with ``/``."""
    run: str
    """Which builder: its word must not be taken for that of an earlier one."""
    encryption: Mapping[str, str]
    """Parameters of PutObject."""

    def wheel_key(self, sha256: str, name: str) -> str:
        """Addressed by content, so it is written once and never changes."""
        return f"{self.prefix}images/{sha256}/{name}"

    @property
    def marker_key(self) -> str:
        """Written when all steps have succeeded; holds what ``burstlens --version`` said."""
        return f"{self.prefix}builds/{self.run}/done"

    @property
    def log_key(self) -> str:
        """The end of the log of steps of which one failed."""
        return f"{self.prefix}builds/{self.run}/log"

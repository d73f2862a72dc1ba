"""What a fleet's things on OpenStack are called, and how they are told from everybody else's."""

import hashlib
import re
from dataclasses import dataclass

from burstlens.deploy.aws.names import private_web_user
from burstlens.errors import Misconfigured
from burstlens.settings.model import FLEET

MARK = "burstlens:stack"
"""Names the mark of everything that `up` makes, as the tag on AWS does. It is not the mark of the fleet's workers: no
autoscaler may count the web host, or end it."""

IMAGE, ZONE, PORT, USER_DATA, HANDED = (
    f"{MARK}:{what}" for what in ("image", "zone", "port", "user-data", "handed-over")
)
"""Metadata of the web host: the image and the zone that it was asked for with, what it serves on, a digest of what it
was told, and which credentials it was given (their ids: no secret)."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one fleet in one project."""

    fleet: str

    def __post_init__(self) -> None:
        """Raises Misconfigured: it is no name of a fleet, so no settings could hold it, and no tag of nova's."""
        if not re.fullmatch(FLEET, self.fleet):
            message = f"fleet: {self.fleet!r} is no name of a fleet: at most 40 of a-z, 0-9 and -, a letter first"
            raise Misconfigured(message)

    @property
    def mark(self) -> str:
        """The ``description`` of what is the fleet's, and the tag of its web host.

        A description is written by the call that makes a thing, on every Neutron since Newton: tags of networks mostly
        take a second call, and who dies between the two would leave a thing that nobody knows.
        """
        return f"{MARK}={self.fleet}"

    @property
    def network(self) -> str:
        """The private network, its subnet, and the router between it and the external network."""
        return self.fleet

    @property
    def web(self) -> str:
        """The web host, its port, and its security group."""
        return f"{self.fleet}-web"

    @property
    def worker(self) -> str:
        """The security group of workers."""
        return f"{self.fleet}-worker"

    @property
    def aws_user(self) -> str:
        """The IAM user that the web host is on AWS; `burstlens deploy aws up --private-cloud` makes it."""
        return private_web_user(self.fleet)

    def key_pair(self, project: str, public_key: str) -> str:
        """The key pair of this public key.

        A key pair has neither description nor tags, so its name proves whose it is: nobody else's has this digest.
        """
        told = f"{self.mark}\n{project}\n{' '.join(public_key.split()[:2])}"
        return f"{self.fleet}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

"""What the template is filled with: what is asked for now, and else what the stack has already. Pure."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from burstlens.deploy.aws.names import FLEET, INPUTS, OUTPUTS
from burstlens.errors import Misconfigured
from burstlens.queues.base import BURIAL_ATTEMPTS, QueueOptions
from burstlens.queues.sqs.limits import whole_seconds

CREATE = {INPUTS: "CreateInputs", OUTPUTS: "CreateOutputs", FLEET: "CreateFleet"}
"""The parameter that says whether the stack makes this bucket."""

WEB_PORT = 80

CHOSEN = {
    "ImageId": "",
    "ExpireDays": "0",
    "InstanceType": "c7i.large",
    "PrivateCloud": "false",
    "WithWeb": "false",
    "WebInstanceType": "t3.small",
    "WebSubnetId": "",
    "WebPort": str(WEB_PORT),
    "WebCidr": "0.0.0.0/0",
}
"""What stays as the stack has it until somebody says otherwise, and what it is at first: the template's defaults."""

LONGEST_VALUE = 4096
"""Bytes of one parameter (CloudFormation User Guide, "quotas")."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asks for; None leaves it as the stack has it."""

    image: str | None = None
    expire_days: int | None = None
    subnet: str | None = None
    """The web host's, and at first the workers'; the fleet's security groups are in its VPC."""
    with_web: bool | None = None
    web_port: int | None = None
    web_from: str | None = None
    """CIDR, IPv4."""
    private_cloud: bool | None = None

    def parameters(self, fleet: str, options: QueueOptions, before: Mapping[str, str]) -> dict[str, str]:
        """The template's parameters, all but those that take a look at the account.

        Args:
            fleet: its name.
            options: of the request queue.
            before: what the stack has; empty when there is none.

        Raises:
            Misconfigured: the web tier is wanted, and there is no image to start it from.
        """
        given = {
            "ImageId": self.image,
            "ExpireDays": self.expire_days,
            "WebSubnetId": self.subnet,
            "WithWeb": _switch(self.with_web),
            "PrivateCloud": _switch(self.private_cloud),
            "WebPort": self.web_port,
            "WebCidr": None if self.web_from is None else _checked(self.web_from),
        }
        own = {
            "Fleet": fleet,
            "LeaseSeconds": whole_seconds(options.lease_seconds),
            "MaxReceives": options.max_attempts + BURIAL_ATTEMPTS,
        }
        kept = {name: before.get(name, first) for name, first in CHOSEN.items()}
        values = {**kept, **own, **{name: value for name, value in given.items() if value is not None}}
        parameters = {name: str(value) for name, value in values.items()}
        if parameters["WithWeb"] == "true" and not parameters["ImageId"]:
            message = (
                "--with-web needs an image: `up` without it, then `burstlens image bake --cloud ec2`, then `up` with it"
            )
            raise Misconfigured(message)
        return parameters


def _switch(value: bool | None) -> str | None:
    return None if value is None else str(value).lower()


def _checked(cidr: str) -> str:
    try:
        return str(ipaddress.IPv4Network(cidr))
    except ValueError as error:
        message = f"--web-from: {cidr!r} is no range of IPv4 addresses such as 203.0.113.0/24: {error}"
        raise Misconfigured(message) from None

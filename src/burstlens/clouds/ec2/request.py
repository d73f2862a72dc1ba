"""What RunInstances is asked for one instance. Pure.

Everything that all instances have in common is the launch template's business; these parameters override it. A
template has to have:

- an instance profile whose role may do what a worker does, and nothing else;
- security groups as such (`SecurityGroupIds`), not inside `NetworkInterfaces`, when `zones` of the pool are subnets:
  EC2 takes a subnet from only one of the two places;
- an image, unless the pool has one; an instance type, unless the pool has some;
- no termination protection, no hibernation, no `DeleteOnTermination: false`: an instance that ends leaves nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from burstlens.clouds.base import Market, Pool
from burstlens.clouds.ec2 import tags
from burstlens.clouds.offers import Offer
from burstlens.errors import BurstlensError, Misconfigured, NotFound

_SUBNET = "subnet-"
_TEMPLATE_ID = re.compile(r"lt-[0-9a-f]{8,}")

_HINTS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"InvalidLaunchTemplate"), "check launch_template; `burstlens deploy aws up` makes one"),
    (re.compile(r"InvalidAMIID|parameter ImageId"), "`burstlens image bake --cloud ec2` makes an image"),
    (re.compile(r"[Nn]etwork interfaces and"), "a launch template with network interfaces takes no subnets as zones"),
    (re.compile(r"InvalidSubnet|[Aa]vailability ?[Zz]one"), "check zones"),
    (re.compile(r"[Ii]nstance ?[Tt]ype|architecture"), "check instance_types: they must fit the image"),
)
"""What the operator can do, by what EC2 said."""


@dataclass(frozen=True, slots=True)
class Order:
    """What all instances of one launch call have in common."""

    pool: Pool
    fleet: str
    token: str
    user_data: str

    def request(self, name: str, offer: Offer) -> dict[str, object]:
        """The parameters of RunInstances for one name; botocore encodes the user data."""
        born_with = tags.as_list(
            {tags.NAME: name, tags.FLEET: self.fleet, tags.POOL: self.pool.name, tags.LAUNCH: self.token}
        )
        request: dict[str, object] = {
            "MinCount": 1,
            "MaxCount": 1,
            "ClientToken": self.client_token(name, offer),
            "LaunchTemplate": _template(self.pool.launch_template),
            "UserData": self.user_data,
            "InstanceInitiatedShutdownBehavior": "terminate",
            # A hop limit of 1 keeps the credentials of the instance from whatever it forwards packets for.
            "MetadataOptions": {
                "HttpEndpoint": "enabled",
                "HttpTokens": "required",
                "HttpPutResponseHopLimit": 1,
                "InstanceMetadataTags": "enabled",
            },
            **_placement(offer.zone),
        }
        if offer.instance_type:
            request["InstanceType"] = offer.instance_type
        if self.pool.image:
            request["ImageId"] = self.pool.image
        tagged = ["instance", "volume"]
        if self.pool.market is Market.SPOT:
            tagged.append("spot-instances-request")
            request["InstanceMarketOptions"] = {
                "MarketType": "spot",
                "SpotOptions": {"SpotInstanceType": "one-time", "InstanceInterruptionBehavior": "terminate"},
            }
        request["TagSpecifications"] = [{"ResourceType": kind, "Tags": born_with} for kind in tagged]
        return request

    def filters(self, name: str = "") -> dict[str, str]:
        """What DescribeInstances finds this launch's instances by, or the one of this name."""
        born_with = {tags.LAUNCH: self.token, tags.FLEET: self.fleet} | ({tags.NAME: name} if name else {})
        return {f"tag:{key}": value for key, value in born_with.items()}

    def client_token(self, name: str, offer: Offer) -> str:
        """Makes a repeated RunInstances the same one. EC2 takes 64 ASCII characters and compares all parameters."""
        parts = (self.fleet, self.token, name, offer.instance_type, offer.zone)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def explained(error: BurstlensError, pool: Pool) -> BurstlensError:
    """A refusal of RunInstances as the port raises it, with what the operator can do about it."""
    if not isinstance(error, (Misconfigured, NotFound)):
        return error
    hint = next((hint for pattern, hint in _HINTS if pattern.search(str(error))), "check the pool's settings")
    return Misconfigured(f"pool {pool.name}: {hint} ({error})")


def _template(template: str) -> Mapping[str, str]:
    key = "LaunchTemplateId" if _TEMPLATE_ID.fullmatch(template) else "LaunchTemplateName"
    return {key: template, "Version": "$Latest"}


def _placement(zone: str) -> Mapping[str, object]:
    if zone.startswith(_SUBNET):
        return {"SubnetId": zone}
    return {"Placement": {"AvailabilityZone": zone}} if zone else {}

"""What nova is asked for one server. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from burstlens.clouds.base import Pool, Spec
from burstlens.clouds.offers import Offer
from burstlens.clouds.openstack import tags
from burstlens.clouds.openstack.identity import INSTANCE_ID_FILE, INSTANCE_ID_VARIABLE
from burstlens.clouds.openstack.quota import Flavor
from burstlens.clouds.openstack.server import Server
from burstlens.clouds.user_data import CLOUD, worker_user_data
from burstlens.openstack.options import OpenStackOptions


@dataclass(frozen=True, slots=True)
class Order:
    """What all servers of one launch call have in common.

    Attributes:
        pool: that they are born in.
        fleet: that they belong to.
        token: of the launch.
        spec: what their workers are to run.
        options: of the cloud.
        image: its id.
        network: its id.
        flavors: by the names or ids that the pool calls them.
    """

    pool: Pool
    fleet: str
    token: str
    spec: Spec
    options: OpenStackOptions
    image: str
    network: str
    flavors: Mapping[str, Flavor]

    @property
    def description(self) -> str:
        """What names this launch."""
        return tags.description(self.fleet, self.pool.name, self.token)

    def body(self, name: str, offer: Offer) -> dict[str, object]:
        """The body of ``POST /servers``: it is born with its name, tag, metadata and user data, or not at all (R3)."""
        server: dict[str, object] = {
            "name": name,
            "description": self.description,
            "tags": [tags.fleet_tag(self.fleet)],
            "metadata": self._metadata(offer),
            "imageRef": self.image,
            "flavorRef": self.flavors[offer.instance_type].id,
            "networks": [{"uuid": self.network}],
            # Not every network has a metadata service, and a drive is there before the network is.
            "config_drive": True,
            "user_data": base64.b64encode(self.user_data(name).encode()).decode(),
        }
        if self.options.security_groups:
            server["security_groups"] = [{"name": group} for group in self.options.security_groups]
        if self.options.key_pair:
            server["key_name"] = self.options.key_pair
        if offer.zone:
            server["availability_zone"] = offer.zone
        return {"server": server}

    def user_data(self, name: str) -> str:
        """What this server is told at its birth; it reads its id itself."""
        own = {
            CLOUD: "openstack",
            "BURSTLENS_INSTANCE": name,
            "BURSTLENS_POOL": self.pool.name,
            INSTANCE_ID_VARIABLE: INSTANCE_ID_FILE,
        }
        return worker_user_data({**self.spec.environment, **own}, self.spec.credentials)

    def newborn(self, server_id: str, name: str, offer: Offer, now: float) -> Server:
        """The server that nova has just accepted, until it shows it."""
        return Server(
            id=server_id,
            name=name,
            status="BUILD",
            created=datetime.fromtimestamp(now, UTC),
            description=self.description,
            tags=frozenset({tags.fleet_tag(self.fleet)}),
            metadata=self._metadata(offer),
        )

    def _metadata(self, offer: Offer) -> dict[str, str]:
        return {tags.POOL: self.pool.name, tags.FLAVOR: offer.instance_type, tags.ZONE: offer.zone}

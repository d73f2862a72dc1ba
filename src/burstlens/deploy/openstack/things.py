"""What a fleet has in Neutron: networks, subnets, routers, security groups, ports and floating IPs, by their mark."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burstlens.deploy.openstack.project import Project, Thing

if TYPE_CHECKING:
    from openstack.network.v2._proxy import Proxy
    from openstack.resource import Resource


class Kind(StrEnum):
    """A kind of thing, in words."""

    NETWORK = "network"
    SUBNET = "subnet"
    ROUTER = "router"
    GROUP = "security group"
    PORT = "port"
    ADDRESS = "floating IP"


REMOVAL_ORDER = (Kind.ADDRESS, Kind.ROUTER, Kind.PORT, Kind.SUBNET, Kind.NETWORK, Kind.GROUP)
"""Later ones are in use by earlier ones."""


def _calls(network: "Proxy") -> dict[Kind, tuple[Callable[..., Any], Callable[..., "Resource"], Callable[..., object]]]:
    """How things of each kind are listed, made and deleted."""
    return {
        Kind.NETWORK: (network.networks, network.create_network, network.delete_network),
        Kind.SUBNET: (network.subnets, network.create_subnet, network.delete_subnet),
        Kind.ROUTER: (network.routers, network.create_router, network.delete_router),
        Kind.GROUP: (network.security_groups, network.create_security_group, network.delete_security_group),
        Kind.PORT: (network.ports, network.create_port, network.delete_port),
        Kind.ADDRESS: (network.ips, network.create_ip, network.delete_ip),
    }


class Things:
    """The fleet's in one project. What lacks its mark is somebody else's, whatever it is called."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._calls = _calls(project.cloud.network)

    def all(self, kind: Kind) -> list[Thing]:
        """Every one of the fleet, the oldest first."""
        mark = self._project.names.mark
        found = [thing for thing in self.any(kind, description=mark) if thing["description"] == mark]
        return sorted(found, key=lambda thing: (thing["created_at"] or "", thing["id"]))

    def any(self, kind: Kind, **filters: str) -> list[Thing]:
        """Every one of this project with these attributes, whoever made it."""
        project = self._project
        listing = self._calls[kind][0]
        found = project.ask(
            f"the {kind}s", lambda: [thing.to_dict() for thing in listing(project_id=project.id, **filters)]
        )
        # Who may see more than this project is shown more by a cloud that ignores a filter.
        return [thing for thing in found if thing["project_id"] == project.id]

    def make(self, kind: Kind, name: str, **attributes: object) -> Thing:
        """Make one of this name, marked from its first moment."""
        create = self._calls[kind][1]
        named = {} if kind is Kind.ADDRESS else {"name": name}
        marked = {**named, "description": self._project.names.mark, **attributes}
        return self._project.make(
            f"{kind} {name}",
            lambda: create(**marked).to_dict(),
            lambda: next((thing for thing in self.all(kind) if kind is Kind.ADDRESS or thing["name"] == name), None),
        )

    def remove(self, kind: Kind, thing: Thing) -> None:
        """Remove one that may be gone already."""
        delete = self._calls[kind][2]
        self._project.remove(f"{kind} {called(thing)}", lambda: delete(thing["id"], ignore_missing=False))


def called(thing: Thing) -> str:
    """What an operator knows it by."""
    return str(thing.get("floating_ip_address") or thing["name"] or thing["id"])


def there(thing: Thing | None) -> Thing:
    """The thing, which a step before this one has made."""
    if thing is None:
        message = "a step needs what the step before it was to make"
        raise RuntimeError(message)
    return thing

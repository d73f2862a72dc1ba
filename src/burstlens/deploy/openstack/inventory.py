"""All that a fleet has in a project: what `status` shows, and what `down` removes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from burstlens.deploy.aws.access_keys import AccessKeys
from burstlens.deploy.openstack import names as meta
from burstlens.deploy.openstack.credentials import Credentials
from burstlens.deploy.openstack.groups import Rule, Rules, chosen_before
from burstlens.deploy.openstack.key_pairs import KeyPairs
from burstlens.deploy.openstack.names import Names
from burstlens.deploy.openstack.project import Project, Thing
from burstlens.deploy.openstack.servers import Servers
from burstlens.deploy.openstack.things import REMOVAL_ORDER, Kind, Things, called
from burstlens.deploy.openstack.workers import Workers


@dataclass(frozen=True, slots=True)
class Inventory:
    """What there was at one moment."""

    names: Names
    things: Mapping[Kind, Sequence[Thing]]
    """Of Neutron; those that others stand on first, and then the oldest."""
    interfaces: Sequence[Thing]
    """Ports of the fleet's routers on its subnets."""
    rules: Mapping[str, Mapping[Rule, str]]
    """Ids of the rules that let somebody in, by group."""
    key_pairs: Mapping[str, str]
    """Public key by name."""
    servers: Sequence[Thing]
    """Web hosts, the oldest first."""
    credentials: Mapping[str, str]
    """Names of the application credentials by id."""
    access_keys: Sequence[str] | None
    """Ids of the web host's AWS keys; None when there is no such user, or nothing on AWS."""
    workers: Mapping[str, int] = field(default_factory=dict)
    """How many by state; empty when nobody has looked."""

    def first(self, kind: Kind, name: str = "") -> Thing | None:
        """The oldest one of this kind, and of this name if one is given."""
        return next((thing for thing in self.things[kind] if not name or thing["name"] == name), None)

    @property
    def server(self) -> Thing | None:
        """The web host."""
        return next(iter(self.servers), None)

    @property
    def url(self) -> str:
        """Where the web tier answers; empty without a host or an address."""
        address = self.first(Kind.ADDRESS)
        if self.server is None or address is None:
            return ""
        return url_of(address["floating_ip_address"], int(self.server["metadata"].get(meta.PORT, "80")))

    @property
    def before(self) -> dict[str, object]:
        """What it says of `burstlens.deploy.openstack.wish.Choice`."""
        said: dict[str, object] = {}
        if subnet := self.first(Kind.SUBNET, self.names.network):
            said |= {"cidr": subnet["cidr"], "dns": tuple(subnet["dns_nameservers"])}
        router = self.first(Kind.ROUTER, self.names.network)
        if router and router["external_gateway_info"]:
            said["external"] = router["external_gateway_info"]["network_id"]
        if group := self.first(Kind.GROUP, self.names.web):
            said |= chosen_before(self.rules[group["id"]])
        if server := self.server:
            said |= {
                "image": server["metadata"].get(meta.IMAGE, ""),
                "zone": server["metadata"].get(meta.ZONE, ""),
                "flavor": server["flavor"]["original_name"],
            }
        if self.server and self.server["key_name"] in self.key_pairs:
            said["public_key"] = self.key_pairs[self.server["key_name"]]
        return said

    def lines(self) -> list[str]:
        """What there is, thing by thing."""
        found = [f"{count} {state} worker{'s' * (count > 1)}" for state, count in sorted(self.workers.items())]
        found += [f"server {server['name']}, {server['status']}" for server in self.servers]
        found += [f"{kind} {called(thing)}" for kind in REMOVAL_ORDER for thing in self.things[kind]]
        found += [f"key pair {name}" for name in self.key_pairs]
        found += [f"application credential {name}" for name in self.credentials.values()]
        return found + [f"AWS access key {key}" for key in self.access_keys or ()]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        server, address = self.server, self.first(Kind.ADDRESS)
        return {
            "fleet": self.names.fleet,
            "url": self.url,
            "address": address["floating_ip_address"] if address else "",
            "server": server
            and {
                "id": server["id"],
                "name": server["name"],
                "state": server["status"],
                "fault": (server["fault"] or {}).get("message", ""),
                "has_credentials": meta.HANDED in server["metadata"],
            },
            "workers": dict(self.workers),
            "resources": {
                kind.lower().replace(" ", "_"): [{"id": thing["id"], "name": called(thing)} for thing in things]
                for kind, things in self.things.items()
            },
            "rules": [str(rule) for rules in self.rules.values() for rule in rules],
            "key_pairs": list(self.key_pairs),
            "application_credentials": dict(self.credentials),
            "access_keys": list(self.access_keys or ()),
        }


def url_of(address: str, port: int) -> str:
    """Where a web tier answers."""
    return f"http://{address}" + ("" if port == 80 else f":{port}")


def take_inventory(project: Project, access_keys: AccessKeys | None) -> Inventory:
    """Look once at everything but the workers.

    Args:
        project: where.
        access_keys: those of the fleet's user; None when nothing of the fleet is on AWS.
    """
    things, rules = Things(project), Rules(project)
    found = {kind: things.all(kind) for kind in Kind}
    routers = [router["id"] for router in found[Kind.ROUTER]]
    interfaces = [port for router in routers for port in things.any(Kind.PORT, device_id=router)]
    used = _used(found, interfaces)
    return Inventory(
        names=project.names,
        things={kind: sorted(those, key=lambda thing: thing["id"] not in used) for kind, those in found.items()},
        interfaces=interfaces,
        rules={group["id"]: rules.of(group) for group in found[Kind.GROUP]},
        key_pairs=KeyPairs(project).all(),
        servers=Servers(project).all(),
        credentials=Credentials(project).names(),
        access_keys=access_keys.ids() if access_keys else None,
    )


def _used(found: Mapping[Kind, Sequence[Thing]], interfaces: Sequence[Thing]) -> set[str]:
    """Ids of what others of these stand on. Pure."""
    used = {subnet["network_id"] for subnet in found[Kind.SUBNET]}
    used |= {address["port_id"] for address in found[Kind.ADDRESS]}
    for port in (*found[Kind.PORT], *interfaces):
        used |= {port["device_id"], *port["security_group_ids"]}
        used |= {address["subnet_id"] for address in port["fixed_ips"]}
    # A port that a server has.
    return used | {port["id"] for port in found[Kind.PORT] if port["device_id"]}


def take_whole_inventory(project: Project, access_keys: AccessKeys | None) -> Inventory:
    """Look once at everything."""
    return replace(take_inventory(project, access_keys), workers=Workers(project).by_state())

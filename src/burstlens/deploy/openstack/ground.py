"""Where the fleet's machines stand: network, subnet, router, and who may reach them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from burstlens.deploy.openstack.groups import Rule, Rules, wanted_rules
from burstlens.deploy.openstack.inventory import Inventory
from burstlens.deploy.openstack.project import Project, Thing
from burstlens.deploy.openstack.steps import ADD, CHANGE, REMOVE, Step
from burstlens.deploy.openstack.things import Kind, Things
from burstlens.deploy.openstack.wish import Choice
from burstlens.errors import Misconfigured


@dataclass
class Ground:
    """What there is of it; what is missing is made by one of `steps`."""

    project: Project
    inventory: Inventory
    choice: Choice
    external: Thing
    """The network with the floating IPs; it is somebody else's."""

    def __post_init__(self) -> None:
        names = self.project.names
        self._things = Things(self.project)
        self.made: dict[tuple[Kind, str], Thing] = {}
        """What there is so far, by kind and name."""
        for kind, name in (
            (Kind.NETWORK, names.network),
            (Kind.SUBNET, names.network),
            (Kind.ROUTER, names.network),
            (Kind.GROUP, names.web),
            (Kind.GROUP, names.worker),
        ):
            if thing := self.inventory.first(kind, name):
                self.made[kind, name] = thing

    def steps(self) -> Iterator[Step]:
        """What is missing, or is not as it was chosen."""
        name, choice = self.project.names.network, self.choice
        yield from self._add(Kind.NETWORK, name, "private", dict)
        yield from self._add(
            Kind.SUBNET,
            name,
            choice.cidr,
            lambda: {
                "network_id": self.made[Kind.NETWORK, name]["id"],
                "ip_version": 4,
                "cidr": choice.cidr,
                "dns_nameservers": list(choice.dns),
            },
        )
        yield from self._dns()
        gateway = {"network_id": self.external["id"]}
        yield from self._add(
            Kind.ROUTER, name, f"to {self.external['name']}", lambda: {"external_gateway_info": gateway}
        )
        yield from self._gateway()
        yield from self._interface()
        for group, what in ((self.project.names.web, "the web tier"), (self.project.names.worker, "nobody gets in")):
            yield from self._add(Kind.GROUP, group, what, dict)
        yield from self._rules()

    def _add(self, kind: Kind, name: str, why: str, attributes: Callable[[], Mapping[str, object]]) -> Iterator[Step]:
        if (kind, name) in self.made:
            return

        def act() -> None:
            self.made[kind, name] = self._things.make(kind, name, **attributes())

        yield Step(ADD, kind, name, why, act)

    def _dns(self) -> Iterator[Step]:
        name, wanted = self.project.names.network, list(self.choice.dns)
        subnet = self.made.get((Kind.SUBNET, name))
        if subnet is None or list(subnet["dns_nameservers"]) == wanted:
            return
        network = self.project.cloud.network

        def act() -> None:
            self.project.ask("the subnet", lambda: network.update_subnet(subnet["id"], dns_nameservers=wanted))

        yield Step(CHANGE, Kind.SUBNET, name, f"DNS {', '.join(wanted) or 'of the cloud'}", act)

    def _gateway(self) -> Iterator[Step]:
        name = self.project.names.network
        router = self.made.get((Kind.ROUTER, name))
        if router is None:
            return
        has = (router["external_gateway_info"] or {}).get("network_id")
        if has == self.external["id"]:
            return
        if has:
            message = "--external: the router has another one; `burstlens deploy openstack down` removes it first"
            raise Misconfigured(message)
        network, gateway = self.project.cloud.network, {"network_id": self.external["id"]}

        def act() -> None:
            self.project.ask("the router", lambda: network.update_router(router["id"], external_gateway_info=gateway))

        yield Step(CHANGE, Kind.ROUTER, name, f"to {self.external['name']}", act)

    def _interface(self) -> Iterator[Step]:
        name, network = self.project.names.network, self.project.cloud.network
        router, subnet = self.made.get((Kind.ROUTER, name)), self.made.get((Kind.SUBNET, name))
        if router and subnet and on_subnet(self.inventory.interfaces, router, subnet):
            return

        def act() -> None:
            router, subnet = self.made[Kind.ROUTER, name], self.made[Kind.SUBNET, name]
            self.project.make(
                f"interface of the router {name}",
                lambda: network.add_interface_to_router(router["id"], subnet=subnet["id"]),
                lambda: on_subnet(self._things.any(Kind.PORT, device_id=router["id"]), router, subnet),
            )

        yield Step(ADD, "router interface", name, self.choice.cidr, act)

    def _rules(self) -> Iterator[Step]:
        name, rules = self.project.names.web, Rules(self.project)
        group = self.made.get((Kind.GROUP, name))
        there = self.inventory.rules[group["id"]] if group else {}
        wanted = wanted_rules(self.choice)
        for rule in wanted:
            if rule not in there:
                yield Step(ADD, "rule", name, str(rule), partial(self._add_rule, rule))
        # The new ones come first: who may stay is never shut out.
        for rule, number in there.items():
            if rule not in wanted:
                yield Step(REMOVE, "rule", name, str(rule), partial(rules.remove, rule, number))

    def _add_rule(self, rule: Rule) -> None:
        Rules(self.project).add(self.made[Kind.GROUP, self.project.names.web], rule)


def on_subnet(ports: Sequence[Thing], router: Thing, subnet: Thing) -> Thing | None:
    """The one of these ports that joins the router to the subnet."""
    for port in ports:
        subnets = {address["subnet_id"] for address in port["fixed_ips"]}
        if port["device_id"] == router["id"] and subnet["id"] in subnets:
            return port
    return None


def external_network(project: Project, named: str) -> Thing:
    """The external network of this name or id; without one the only one.

    Raises:
        Misconfigured: there is none, or there are several.
    """
    listing = project.cloud.network.networks
    found = project.ask("the networks", lambda: [net.to_dict() for net in listing(is_router_external=True)])
    matching = [network for network in found if not named or named in {network["name"], network["id"]}]
    if len(matching) == 1:
        return dict(matching[0])
    known = ", ".join(sorted(str(network["name"]) for network in found)) or "none"
    what = f"{named!r} is not one" if named and not matching else "say which"
    message = f"--external: {what}; the external networks that this project may use are: {known}"
    raise Misconfigured(message)

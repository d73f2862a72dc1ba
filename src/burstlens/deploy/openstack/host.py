"""The web host: its port, its address, who may log in, and the server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from burstlens.deploy.openstack import names as meta
from burstlens.deploy.openstack.ground import Ground
from burstlens.deploy.openstack.inventory import Inventory, url_of
from burstlens.deploy.openstack.key_pairs import KeyPairs
from burstlens.deploy.openstack.project import Project, Thing
from burstlens.deploy.openstack.servers import Build, Servers
from burstlens.deploy.openstack.steps import ADD, CHANGE, REMOVE, REPLACE, Step
from burstlens.deploy.openstack.things import Kind, Things, there
from burstlens.deploy.openstack.wish import Choice


@dataclass(frozen=True, slots=True)
class Machine:
    """What the server is made from, as the cloud knows it."""

    image: str
    """Id."""
    flavor: Thing


@dataclass
class Host:
    """What there is of it; what is missing is made by one of `steps`."""

    project: Project
    inventory: Inventory
    choice: Choice
    ground: Ground
    machine: Machine
    user_data: Callable[[Choice, str, str], str]
    """Cloud-init of the host, for the ids of the private network and of the workers' security group."""

    def __post_init__(self) -> None:
        self._servers = Servers(self.project)
        self.server = self.inventory.server
        self.fresh = self.server is None or bool(self._difference(self.server))
        """Whether `steps` make another server than the one that is there."""
        self._port = self.inventory.first(Kind.PORT, self.project.names.web)
        self._address = self.inventory.first(Kind.ADDRESS)

    @property
    def address(self) -> str:
        """The floating IP."""
        return str(there(self._address)["floating_ip_address"])

    @property
    def url(self) -> str:
        """Where the web tier answers."""
        return url_of(self.address, self.choice.port)

    @property
    def key_pair(self) -> str:
        """Its name; empty is none."""
        return self.project.names.key_pair(self.project.id, key) if (key := self.choice.public_key) else ""

    def steps(self) -> Iterator[Step]:
        """What is missing, or is not as it was chosen."""
        name, pairs = self.project.names.web, KeyPairs(self.project)
        if self._port is None:
            yield Step(ADD, Kind.PORT, name, "of the web tier's server", self._make_port)
        if self._address is None:
            yield Step(ADD, Kind.ADDRESS, name, f"of {self.ground.external['name']}", self._make_address)
        elif self._port is None or self._address["port_id"] != self._port["id"]:
            yield Step(CHANGE, Kind.ADDRESS, self.address, "to the web tier's server", self._bind_address)
        if self.key_pair and self.key_pair not in self.inventory.key_pairs:
            yield Step(ADD, "key pair", self.key_pair, "", lambda: pairs.make(self.choice.public_key))
        yield from self._server_steps()
        for old in self.inventory.key_pairs:
            if old != self.key_pair:
                yield Step(REMOVE, "key pair", old, "", partial(pairs.remove, old))

    def _server_steps(self) -> Iterator[Step]:
        name = self.project.names.web
        if self.server is None:
            what = f"{self.machine.flavor['name']}, {self.choice.image}"
            yield Step(ADD, "server", name, what, self._make_server)
        elif self.fresh:
            yield Step(REPLACE, "server", name, self._difference(self.server), self._replace_server)
        elif self.server["status"] != "ACTIVE":
            yield Step(CHANGE, "server", name, f"is {self.server['status']}", self._run_server)

    def _difference(self, server: Thing) -> str:
        """Why the server is not the one that is wanted; empty when it is."""
        if server["status"] == "ERROR":
            return str((server["fault"] or {}).get("message") or "is in ERROR")
        told = server["metadata"].get(meta.USER_DATA)
        differs = {
            "another image": (server["image"] or {}).get("id") != self.machine.image,
            "another flavor": server["flavor"]["original_name"] != self.machine.flavor["name"],
            # Key pairs are their user's: a colleague, who is not shown this one, has not asked for another server.
            "another key pair": bool(self.key_pair) and server["key_name"] != self.key_pair,
            "another zone": self.choice.zone != server["metadata"].get(meta.ZONE, ""),
            "other settings": not self._stands or told != self._build().digest,
        }
        return ", ".join(what for what, differ in differs.items() if differ)

    @property
    def _stands(self) -> bool:
        """Whether there is all that user data speaks of."""
        names = self.project.names
        return {(Kind.NETWORK, names.network), (Kind.GROUP, names.worker)} <= self.ground.made.keys()

    def _build(self) -> Build:
        names, made = self.project.names, self.ground.made
        network, group = made[Kind.NETWORK, names.network], made[Kind.GROUP, names.worker]
        return Build(
            image=self.machine.image,
            asked_image=self.choice.image,
            flavor=self.machine.flavor["id"],
            zone=self.choice.zone,
            key_pair=self.key_pair,
            user_data=self.user_data(self.choice, network["id"], group["id"]),
            port=self.choice.port,
        )

    def _make_port(self) -> None:
        names, made = self.project.names, self.ground.made
        network, group = made[Kind.NETWORK, names.network], made[Kind.GROUP, names.web]
        self._port = Things(self.project).make(
            Kind.PORT, names.web, network_id=network["id"], security_group_ids=[group["id"]]
        )

    def _make_address(self) -> None:
        self._address = Things(self.project).make(
            Kind.ADDRESS,
            self.project.names.web,
            floating_network_id=self.ground.external["id"],
            port_id=there(self._port)["id"],
        )

    def _bind_address(self) -> None:
        address, port, network = there(self._address)["id"], there(self._port)["id"], self.project.cloud.network
        self.project.ask("the floating IP", lambda: network.update_ip(address, port_id=port))

    def _make_server(self) -> None:
        self.server = self._servers.wait(self._servers.make(self._build(), there(self._port)))

    def _replace_server(self) -> None:
        # Not the other way round: both would need the one port.
        self._servers.remove(there(self.server))
        self._make_server()

    def _run_server(self) -> None:
        server = there(self.server)
        if server["status"] == "SHUTOFF":
            self._servers.start(server)
        self.server = self._servers.wait(server)

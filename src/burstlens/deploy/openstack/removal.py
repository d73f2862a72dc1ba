"""Removing things, in an order in which they go: none while another one needs it."""

from collections.abc import Collection, Iterator
from functools import partial

from burstlens.deploy.openstack.inventory import Inventory
from burstlens.deploy.openstack.project import Project, Thing
from burstlens.deploy.openstack.servers import Servers
from burstlens.deploy.openstack.steps import REMOVE, Step
from burstlens.deploy.openstack.things import REMOVAL_ORDER, Kind, Things, called


def server_removals(project: Project, inventory: Inventory, kept: Collection[str] = ()) -> Iterator[Step]:
    """Remove the web hosts, all but those of these ids."""
    servers = Servers(project)
    for server in inventory.servers:
        if server["id"] not in kept:
            yield Step(REMOVE, "server", server["name"], "", partial(servers.remove, server))


def ground_removals(project: Project, inventory: Inventory, kept: Collection[str] = ()) -> Iterator[Step]:
    """Remove what they stood on, all but what has one of these ids."""
    things = Things(project)
    for kind in REMOVAL_ORDER:
        for thing in inventory.things[kind]:
            if thing["id"] in kept:
                continue
            if kind is Kind.ROUTER:
                yield from _interfaces(project, inventory, thing)
            yield Step(REMOVE, kind, called(thing), "", partial(things.remove, kind, thing))


def _interfaces(project: Project, inventory: Inventory, router: Thing) -> Iterator[Step]:
    remove, name = project.cloud.network.remove_interface_from_router, called(router)
    for port in inventory.interfaces:
        if port["device_id"] == router["id"]:
            act = partial(remove, router["id"], port=port["id"])
            what = f"interface of the router {name}"
            yield Step(REMOVE, "router interface", name, "", partial(project.remove, what, act))

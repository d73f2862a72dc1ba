"""`plan` and `up`: from what there is to what is wanted, step by step, all of which are shown first."""

from collections.abc import Callable
from dataclasses import dataclass

from burstlens.deploy.openstack.gifts import Gifts, Login, Need
from burstlens.deploy.openstack.ground import Ground, external_network
from burstlens.deploy.openstack.host import Host, Machine
from burstlens.deploy.openstack.inventory import Inventory, take_inventory
from burstlens.deploy.openstack.project import Project
from burstlens.deploy.openstack.removal import ground_removals, server_removals
from burstlens.deploy.openstack.servers import machine
from burstlens.deploy.openstack.steps import Show, Step
from burstlens.deploy.openstack.wish import Choice, Wish


@dataclass(frozen=True, slots=True)
class Order:
    """What a fleet is to be."""

    wish: Wish
    need: Need
    login: Login
    user_data: Callable[[Choice, str, str], str]
    """Cloud-init of the web host, for the ids of the private network and of the workers' security group."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and what is left to the operator."""

    choice: Choice
    host: Host
    steps: list[Step]
    left_to_do: str
    """A line; empty when there is nothing."""


def plan(project: Project, order: Order) -> Plan:
    """What `up` would do. It changes nothing.

    Raises:
        Misconfigured: what is asked for cannot be had.
    """
    inventory = take_inventory(project, order.need.keys)
    choice = order.wish.chosen(inventory.before)
    ground = Ground(project, inventory, choice, external_network(project, choice.external))
    host = Host(project, inventory, choice, ground, _machine(project, order.wish, choice, inventory), order.user_data)
    gifts = Gifts(project, inventory, host, order.need, order.login)
    kept = _kept(inventory)
    steps = [
        *ground.steps(),
        *host.steps(),
        *server_removals(project, inventory, kept),
        *ground_removals(project, inventory, kept),
        *gifts.steps(),
    ]
    return Plan(choice, host, steps, gifts.left_to_do)


def up(project: Project, order: Order, show: Show, agree: Callable[[], bool]) -> Plan | None:
    """Make the fleet's things what the order says, if the operator agrees.

    It may be repeated after dying at any point.

    Returns:
        What was done; None when the operator does not agree, and then nothing has changed.
    """
    planned = plan(project, order)
    show(planned.steps)
    if planned.steps and not agree():
        return None
    for step in planned.steps:
        step.act()
    return planned


def _machine(project: Project, wish: Wish, choice: Choice, inventory: Inventory) -> Machine:
    """What is asked for now; else what the server has, though there may be a newer image of that name."""
    server = inventory.server
    image = server["image"]["id"] if server and wish.image is None and server["image"] else choice.image
    found, flavor = machine(project, image, choice.flavor)
    return Machine(found["id"], flavor)


def _kept(inventory: Inventory) -> set[str]:
    """Ids of the oldest of each kind and name: others are from a call that was made twice, since it seemed to fail."""
    kept = {inventory.server["id"]} if inventory.server else set()
    for things in inventory.things.values():
        names = {thing["name"] if "floating_ip_address" not in thing else "": thing["id"] for thing in reversed(things)}
        kept |= set(names.values())
    return kept

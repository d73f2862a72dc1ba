"""`down`: nothing of a fleet is left in the project."""

from burstlens.deploy.aws.access_keys import AccessKeys
from burstlens.deploy.openstack.credentials import Credentials
from burstlens.deploy.openstack.inventory import Inventory, take_inventory, take_whole_inventory
from burstlens.deploy.openstack.key_pairs import KeyPairs
from burstlens.deploy.openstack.project import Project
from burstlens.deploy.openstack.removal import ground_removals, server_removals
from burstlens.deploy.openstack.workers import Workers

_GONE_SECONDS = 120.0
"""How long ports may outlive their servers."""


def down(project: Project, access_keys: AccessKeys | None) -> Inventory:
    """Remove the fleet. It may be repeated after dying at any point, and whenever there is nothing.

    The order matters. The autoscaler on the web host would go on launching workers, so the host goes first; then
    workers are ended until none comes any more; then goes what they stood on, which does not go while anything stands
    on it. Credentials come last, and AWS is not asked before: whoever may not remove them, or does not reach it, is
    told so when everything else is gone.

    Returns:
        What is left: nothing.

    Raises:
        Unavailable: something does not go; the text says what.
    """
    inventory = take_inventory(project, None)
    for step in server_removals(project, inventory):
        step.act()
    Workers(project).end_all()
    for step in ground_removals(project, inventory):
        project.insist(step.act, _GONE_SECONDS)
    for name in inventory.key_pairs:
        KeyPairs(project).remove(name)
    credentials = Credentials(project)
    for number, name in inventory.credentials.items():
        credentials.remove(number, name)
    if access_keys:
        for key in access_keys.ids() or ():
            access_keys.remove(key)
            project.say(f"  removed AWS access key {key}")
    return take_whole_inventory(project, access_keys)

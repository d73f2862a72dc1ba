"""What an export of an image leaves that was killed: an export that goes on, and the role that it was given."""

import asyncio

from burstlens.clouds.ec2.tags import FLEET, as_mapping
from burstlens.deploy.aws.account import Account
from burstlens.deploy.aws.export_grant import ExportGrant, role_prefix
from burstlens.errors import BurstlensError, NotAuthorized, NotFound


def export_roles(account: Account) -> list[str]:
    """The names of the roles that were made for exports of the fleet."""
    fleet = account.names.fleet
    named = [name for name in _role_names(account) if name.startswith(role_prefix(fleet))]
    return [name for name in named if _tags(account, name).get(FLEET) == fleet]


def remove_exports(account: Account) -> None:
    """Cancel the fleet's exports that go on with such a role, and remove the roles. May be repeated."""
    roles = export_roles(account)
    if not roles:
        return
    active = [{"Name": "task-state", "Values": ["active"]}]
    for page in account.pages("ec2", "describe_export_image_tasks", Filters=active):
        for task in page.get("ExportImageTasks", ()):
            if as_mapping(task.get("Tags", ())).get(FLEET) == account.names.fleet:
                _cancel(account, task["ExportImageTaskId"])
    for role in roles:
        asyncio.run(ExportGrant(account.session, account.names.fleet, role).remove())
        account.say(f"  deleted the role {role}")


def _cancel(account: Account, task: str) -> None:
    try:
        account.ask("ec2", "cancel_export_task", ExportTaskId=task)
    except BurstlensError as error:  # it ends by itself: it loses its role, and its bucket
        account.say(f"  {task} cannot be cancelled: {error}")
    else:
        account.say(f"  cancelled {task}")


def _role_names(account: Account) -> list[str]:
    """All of the account: IAM looks for no name, and its list tells no tags."""
    names: list[str] = []
    marker: dict[str, str] = {}
    while True:
        try:
            page = account.ask("iam", "list_roles", MaxItems=1000, **marker)
        except NotAuthorized as error:
            account.say(f"  whether an export has left a role cannot be seen: {error}")
            return names
        names += [role["RoleName"] for role in page["Roles"]]
        if not page.get("IsTruncated"):
            return names
        marker = {"Marker": page["Marker"]}


def _tags(account: Account, role: str) -> dict[str, str]:
    try:
        return as_mapping(account.ask("iam", "get_role", RoleName=role)["Role"].get("Tags", ()))
    except NotFound:
        return {}  # gone since it was listed

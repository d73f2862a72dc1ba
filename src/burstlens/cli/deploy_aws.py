"""`burstlens deploy aws`: what a fleet needs on AWS, made and removed."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from burstlens.cli.deploy_common import AsJson, Config, Fleet, Yes, agreement, check_terminal

if TYPE_CHECKING:
    from burstlens.deploy.aws.changes import Proposal
    from burstlens.deploy.aws.inventory import Inventory

aws = typer.Typer(
    help="Queues, buckets, roles and a launch template on AWS, as one CloudFormation stack.", no_args_is_help=True
)

WithWeb = Annotated[
    bool | None,
    typer.Option(
        "--with-web/--without-web",
        help="Whether web tier and autoscaler run on an instance, too. Default: as it is; at first, they do not.",
        show_default=False,
    ),
]
PrivateCloud = Annotated[
    bool | None,
    typer.Option(
        "--private-cloud/--no-private-cloud",
        help="Whether web tier and workers run in a private cloud, too: a user for the one, a role for the others. "
        "Default: as it is; at first, they do not.",
        show_default=False,
    ),
]
Port = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Of the web tier on EC2. Default: as it is; at first 80.", show_default=False),
]
WebFrom = Annotated[
    str | None,
    typer.Option(
        metavar="CIDR", help="Who may reach it. Default: as it is; at first 0.0.0.0/0, everybody.", show_default=False
    ),
]
Image = Annotated[
    str | None, typer.Option(metavar="AMI", help="What instances start from. Default: as it is.", show_default=False)
]
Subnet = Annotated[
    str | None,
    typer.Option(
        help="Where the fleet's instances are launched; its VPC is the fleet's. Default: the default VPC's.",
        show_default=False,
    ),
]
ExpireDays = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=36500,
        help="Delete images and results after so many days; 0 never. Default: as it is; at first never.",
        show_default=False,
    ),
]


@aws.command()
def plan(
    config: Config = None,
    fleet: Fleet = None,
    with_web: WithWeb = None,
    private_cloud: PrivateCloud = None,
    port: Port = None,
    web_from: WebFrom = None,
    image: Image = None,
    subnet: Subnet = None,
    expire_days: ExpireDays = None,
) -> None:
    """Show what `up` would change, and change nothing.

    Example: burstlens deploy aws plan
    """
    from burstlens.deploy.aws.parameters import Wish
    from burstlens.deploy.aws.target import Target
    from burstlens.deploy.aws.up import plan as show_plan

    target = Target(config, fleet, typer.echo)
    wish = Wish(image, expire_days, subnet, with_web, port, web_from, private_cloud)
    show_plan(target.account, target.order(wish), _show)


@aws.command()
def up(
    config: Config = None,
    fleet: Fleet = None,
    yes: Yes = False,
    with_web: WithWeb = None,
    private_cloud: PrivateCloud = None,
    port: Port = None,
    web_from: WebFrom = None,
    image: Image = None,
    subnet: Subnet = None,
    expire_days: ExpireDays = None,
) -> None:
    """Make the fleet's stack, or change it, and write burstlens.toml. What would change is shown first.

    It may be interrupted, and run again: it goes on from there. Run twice, it changes nothing.

    Example: burstlens deploy aws up --yes
    """
    from burstlens.deploy.aws.parameters import Wish
    from burstlens.deploy.aws.target import Target
    from burstlens.deploy.aws.up import up as bring_up

    check_terminal(yes)
    target = Target(config, fleet, typer.echo)
    order = target.order(Wish(image, expire_days, subnet, with_web, port, web_from, private_cloud))
    stack = bring_up(target.account, order, _show, agreement(yes))
    if stack is None:
        typer.echo("nothing was changed")
        raise typer.Exit(1)
    for line in target.write(stack):
        typer.echo(line)
    if stack.parameters.get("WithWeb") == "true":
        typer.echo(f"the web tier is starting on {stack.outputs.get('WebAddress', 'its instance')}")
        if stack.parameters["WebCidr"].endswith("/0"):
            typer.echo("everybody may use it: there are no API keys yet; --web-from narrows it")
    if not stack.parameters.get("ImageId"):
        typer.echo("there is no image yet, so nothing can be launched: burstlens image bake --cloud ec2")


@aws.command()
def status(
    config: Config = None,
    fleet: Fleet = None,
    as_json: AsJson = False,
) -> None:
    """Show what the fleet has on AWS: stack, buckets, queues, instances, image.

    Example: burstlens deploy aws status --json
    """
    from burstlens.deploy.aws.inventory import take_inventory
    from burstlens.deploy.aws.target import Target

    inventory = take_inventory(Target(config, fleet, typer.echo).account)
    if as_json:
        typer.echo(json.dumps(inventory.as_json(), indent=2))
    else:
        _show_inventory(inventory)


@aws.command()
def down(
    config: Config = None,
    fleet: Fleet = None,
    yes: Yes = False,
    keep_data: Annotated[bool, typer.Option("--keep-data", help="Keep the buckets, with all that is in them.")] = False,
) -> None:
    """Remove everything of the fleet: instances, stack, queues, images, and buckets with all that is in them.

    It may be interrupted, and run again. The settings file stays.

    Example: burstlens deploy aws down --keep-data
    """
    from burstlens.deploy.aws.down import down as take_down
    from burstlens.deploy.aws.inventory import take_inventory
    from burstlens.deploy.aws.names import BUCKETS
    from burstlens.deploy.aws.target import Target

    check_terminal(yes)
    account = Target(config, fleet, typer.echo).account
    kept = BUCKETS if keep_data else ()
    before = take_inventory(account)
    for line in before.lines():
        keeps = keep_data and line.startswith("bucket ")
        typer.echo(f"  {'keep  ' if keeps else 'remove'} {line}")
    if not before.is_empty(besides=kept) and not (yes or typer.confirm("Do this? What is removed is gone")):
        typer.echo("nothing was changed")
        raise typer.Exit(1)
    left = take_down(account, kept_buckets=kept)
    whose = f"left of the fleet {left.names.fleet} in {left.names.region}"
    typer.echo("\n  ".join([f"{whose}:", *left.lines()]) if left.lines() else f"nothing is {whose}")


def _show(proposal: "Proposal | None") -> None:
    if proposal is None:
        typer.echo("nothing to change")
        return
    if not proposal.changes:
        typer.echo("no resource changes, only what the stack remembers")
        return
    table = Table("action", "resource", "type", "replacement", box=None, pad_edge=False)
    for change in proposal.changes:
        table.add_row(change.action, change.resource, change.kind, change.replacement)
    Console().print(table)


def _show_inventory(inventory: "Inventory") -> None:
    names, stack = inventory.names, inventory.stack
    table = Table.grid(padding=(0, 2))
    table.add_row("fleet", f"{names.fleet} in {names.region}, account {names.account}")
    table.add_row("stack", f"{stack.status} {stack.reason}".strip() if stack else "none: burstlens deploy aws up")
    for name, value in sorted(stack.outputs.items()) if stack else ():
        table.add_row("", f"{name} = {value}")
    for kind, bucket in inventory.buckets.items():
        table.add_row(kind, f"s3://{bucket.name}, {bucket}")
    for name, depth in inventory.queues.items():
        table.add_row("queue", f"{name}: {depth.visible} visible, {depth.in_flight} in flight, {depth.delayed} delayed")
    states = ", ".join(f"{count} {state}" for state, count in sorted(inventory.instances.items()))
    table.add_row("instances", states or "none")
    table.add_row("image", inventory.image or "none: burstlens image bake --cloud ec2")
    Console().print(table)

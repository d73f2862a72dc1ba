"""`burstlens deploy openstack`: the private cloud's network and web tier, made and removed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.table import Table

from burstlens.cli.deploy_common import AsJson, Config, Fleet, Yes, agreement, check_terminal
from burstlens.cli.deploy_openstack_options import (
    Cidr,
    Cloud,
    Dns,
    External,
    Flavor,
    Image,
    Port,
    SshFrom,
    SshKey,
    SshUser,
    WebClouds,
    WebFrom,
    WorkerFlavor,
    Zone,
)

if TYPE_CHECKING:
    from burstlens.deploy.openstack.inventory import Inventory
    from burstlens.deploy.openstack.steps import Step
    from burstlens.deploy.openstack.wish import Wish

openstack = typer.Typer(
    help="Network, security groups, floating IP and the web tier's server on OpenStack.", no_args_is_help=True
)


@openstack.command()
def plan(
    config: Config = None,
    fleet: Fleet = None,
    cloud: Cloud = None,
    image: Image = None,
    flavor: Flavor = None,
    worker_flavor: WorkerFlavor = None,
    zone: Zone = None,
    cidr: Cidr = None,
    dns: Dns = None,
    external: External = None,
    port: Port = None,
    web_from: WebFrom = None,
    ssh_from: SshFrom = None,
    ssh_key: SshKey = None,
    ssh_user: SshUser = "debian",
    web_clouds: WebClouds = None,
) -> None:
    """Show what `up` would change, and change nothing.

    Example: burstlens deploy openstack plan --image burstlens-0.1.0 --flavor m1.small
    """
    from burstlens.deploy.openstack.target import Target
    from burstlens.deploy.openstack.up import plan as make_plan

    target = Target(config, fleet, cloud, typer.echo)
    wish = _wish(image, flavor, zone, cidr, dns, external, port, web_from, ssh_from, ssh_key)
    planned = make_plan(target.project, target.order(wish, worker_flavor, ssh_user, web_clouds))
    _show(planned.steps)
    for line in (planned.left_to_do, *target.remarks()):
        if line:
            typer.echo(line)


@openstack.command()
def up(
    config: Config = None,
    fleet: Fleet = None,
    yes: Yes = False,
    cloud: Cloud = None,
    image: Image = None,
    flavor: Flavor = None,
    worker_flavor: WorkerFlavor = None,
    zone: Zone = None,
    cidr: Cidr = None,
    dns: Dns = None,
    external: External = None,
    port: Port = None,
    web_from: WebFrom = None,
    ssh_from: SshFrom = None,
    ssh_key: SshKey = None,
    ssh_user: SshUser = "debian",
    web_clouds: WebClouds = None,
) -> None:
    """Make network, web tier and all between them, or change them, and complete burstlens.toml. What changes is shown.

    It may be interrupted, and run again: it goes on from there. Run twice, it changes nothing.

    Example: burstlens deploy openstack up --image burstlens-0.1.0 --flavor m1.small --ssh-key ~/.ssh/id_ed25519
    --ssh-from 203.0.113.7/32
    """
    from burstlens.deploy.openstack.target import Target
    from burstlens.deploy.openstack.up import up as bring_up

    check_terminal(yes)
    target = Target(config, fleet, cloud, typer.echo)
    wish = _wish(image, flavor, zone, cidr, dns, external, port, web_from, ssh_from, ssh_key)
    order = target.order(wish, worker_flavor, ssh_user, web_clouds)
    planned = bring_up(target.project, order, _show, agreement(yes))
    if planned is None:
        typer.echo("nothing was changed")
        raise typer.Exit(1)
    for line in target.write(planned.choice, worker_flavor):
        typer.echo(line)
    if planned.left_to_do:
        typer.echo(planned.left_to_do)
    else:
        typer.echo(f"the web tier is starting on {planned.host.url}")
    if planned.choice.web_from.endswith("/0"):
        typer.echo("everybody may use it: there are no API keys yet; --web-from narrows it")


@openstack.command()
def status(config: Config = None, fleet: Fleet = None, cloud: Cloud = None, as_json: AsJson = False) -> None:
    """Show what the fleet has on OpenStack: server, address, network, security groups, workers.

    Example: burstlens deploy openstack status --json
    """
    from burstlens.deploy.openstack.inventory import take_whole_inventory
    from burstlens.deploy.openstack.target import Target

    target = Target(config, fleet, cloud, typer.echo)
    inventory = take_whole_inventory(target.project, target.access_keys)
    if as_json:
        typer.echo(json.dumps(inventory.as_json(), indent=2))
    else:
        _show_inventory(inventory)


@openstack.command()
def down(config: Config = None, fleet: Fleet = None, yes: Yes = False, cloud: Cloud = None) -> None:
    """Remove everything of the fleet on OpenStack: server, workers, network, groups, address, keys and credentials.

    It may be interrupted, and run again. The settings file, images and what is on AWS stay.

    Example: burstlens deploy openstack down
    """
    from burstlens.deploy.openstack.down import down as take_down
    from burstlens.deploy.openstack.inventory import take_whole_inventory
    from burstlens.deploy.openstack.target import Target

    check_terminal(yes)
    target = Target(config, fleet, cloud, typer.echo)
    # AWS is asked last: what is here goes even when it does not answer.
    keys = [f"every AWS access key of {target.access_keys.user}"] if target.access_keys else []
    doomed = [*take_whole_inventory(target.project, None).lines(), *keys]
    for line in doomed:
        typer.echo(f"  remove {line}")
    if doomed and not (yes or typer.confirm("Do this? What is removed is gone")):
        typer.echo("nothing was changed")
        raise typer.Exit(1)
    left = take_down(target.project, target.access_keys)
    whose = f"left of the fleet {left.names.fleet} on OpenStack"
    typer.echo("\n  ".join([f"{whose}:", *left.lines()]) if left.lines() else f"nothing is {whose}")


def _wish(
    image: str | None,
    flavor: str | None,
    zone: str | None,
    cidr: str | None,
    dns: list[str] | None,
    external: str | None,
    port: int | None,
    web_from: str | None,
    ssh_from: str | None,
    ssh_key: Path | None,
) -> "Wish":
    from burstlens.deploy.openstack.wish import Wish

    servers = tuple(dns) if dns else None
    return Wish(image, flavor, zone, cidr, servers, external, port, web_from, ssh_from, ssh_key)


def _show(steps: "Sequence[Step]") -> None:
    if not steps:
        typer.echo("nothing to change")
        return
    table = Table("action", "resource", "name", "what", box=None, pad_edge=False)
    for step in steps:
        table.add_row(step.action, step.kind, step.name, step.why)
    Console().print(table)


def _show_inventory(inventory: "Inventory") -> None:
    table = Table.grid(padding=(0, 2))
    found = inventory.as_json()
    server = found["server"]
    table.add_row("fleet", found["fleet"])
    state = f"{server['state']} {server['fault']}".strip() if server else "none: burstlens deploy openstack up"
    table.add_row("server", f"{server['name']}, {state}" if server else state)
    if server and not server["has_credentials"]:
        table.add_row("", "it has been given no credentials")
    table.add_row("web tier", found["url"] or "none")
    for kind, things in found["resources"].items():
        for thing in things:
            table.add_row(kind.replace("_", " "), f"{thing['name']}  {thing['id']}")
    for rule in found["rules"]:
        table.add_row("lets in", rule)
    for kind in ("key_pairs", "application_credentials", "access_keys"):
        for name in found[kind]:
            table.add_row(kind.replace("_", " ").removesuffix("s"), name)
    states = ", ".join(f"{count} {state}" for state, count in sorted(inventory.workers.items()))
    table.add_row("workers", states or "none")
    Console().print(table)

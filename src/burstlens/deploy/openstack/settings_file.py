"""What the private cloud adds to `burstlens.toml`."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from burstlens.deploy.openstack.names import Names
from burstlens.errors import Misconfigured
from burstlens.settings import Settings

POOL = "openstack"
_CAP = 19


def section_text(names: Names, cloud: str) -> str:
    """The section `[openstack]`. Pure.

    Args:
        names: the fleet's.
        cloud: its name in ``clouds.yaml``.
    """
    return f"""\
[openstack]
cloud = {json.dumps(cloud)}
network = {json.dumps(names.network)}
security_groups = {json.dumps([names.worker])}
"""


def pool_text(image: str, flavor: str, zone: str, order: int) -> str:
    """The pool of the private cloud, which is filled before all others. Pure.

    Args:
        image: name or id.
        flavor: of workers.
        zone: availability zone; empty leaves it to the cloud.
        order: lower than that of any other pool.
    """
    zones = f"zones = {json.dumps([zone])}\n" if zone else ""
    return f"""\
[[pools]]
name = "{POOL}"
cloud = "openstack"
order = {order}
# Its quota is the project's, too: what does not fit goes to the next pool.
cap = {_CAP}
# The newest of this name.
image = {json.dumps(image)}
instance_types = {json.dumps([flavor])}
{zones}"""


def added(text: str, names: Names, cloud: str, pool: Mapping[str, str]) -> str:
    """What a settings file of this text lacks; empty when it has everything. Pure.

    Args:
        text: of the file; empty when there is none.
        names: the fleet's.
        cloud: its name in ``clouds.yaml``.
        pool: arguments of `pool_text` but for the order; empty when workers on OpenStack would have no queue.
    """
    values = tomllib.loads(text)
    pools: list[Mapping[str, Any]] = values.get("pools", [])
    parts = [] if "openstack" in values else [section_text(names, cloud)]
    if pool and all(entry.get("cloud") != "openstack" for entry in pools):
        order = min((int(entry.get("order", 0)) for entry in pools), default=1) - 1
        parts.append(pool_text(order=order, **pool))
    return "\n".join(parts)


def unreachable(settings: Settings) -> str:
    """Why workers on OpenStack would have no queue or bucket with these settings; empty when they have. Pure."""
    try:
        settings.spec("openstack")
    except Misconfigured as error:
        return str(error)
    return ""


def difference(settings: Settings, names: Names, cloud: str) -> str:
    """In what the settings are another deployment's than this one; empty when they are not. Pure."""
    options = settings.openstack
    wanted = {"fleet": (settings.fleet, names.fleet), "openstack.cloud": (options.cloud or cloud, cloud)}
    for name, (has, needs) in wanted.items():
        if has != needs:
            return f"{name} is {has!r} there, and {needs!r} here"
    return ""


def strangers(settings: Settings, names: Names) -> list[str]:
    """Lines on settings by which workers are not on the fleet's network, or are not protected as it is. Pure."""
    options = settings.openstack
    lines = []
    if options.network != names.network:
        lines.append(f"openstack.network is {options.network!r}: workers are not on the network {names.network}")
    if options.security_groups != (names.worker,):
        groups = ", ".join(options.security_groups)
        lines.append(f"openstack.security_groups is {groups}: workers are not in the group {names.worker}")
    return lines

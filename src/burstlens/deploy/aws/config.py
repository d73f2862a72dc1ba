"""`burstlens.toml` of a fleet on AWS: its text, and how it goes with one that is there already."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burstlens.clouds.user_data import AUTOSCALER_UNIT, WEB_UNIT, machine_user_data
from burstlens.deploy.aws.names import FLEET, INPUTS, OUTPUTS, Names
from burstlens.deploy.aws.parameters import LONGEST_VALUE
from burstlens.deploy.whole_file import write_whole
from burstlens.errors import Misconfigured
from burstlens.lane import REQUESTS
from burstlens.queues.base import QueueOptions
from burstlens.settings import Settings
from burstlens.settings.load import one_machine
from burstlens.settings.model import INSTANCE_DATA

INSTANCE_TYPES = ("c7i.large", "c6i.large", "m7i.large", "m6i.large", "c7a.large")
"""2 vCPUs with AVX-512 and VNNI, which the model makes use of: Intel's from Ice Lake on, AMD's from Zen 4 on. Compute
optimised ones first, since a worker needs less than 1 GiB for each core."""

_SECTIONS = ("aws", "queue", "buckets", "model", "web", "worker", "scaling")


def settings_text(
    names: Names, endpoint: str | None, queue: QueueOptions, subnet: str = "", worker_role: str = ""
) -> str:
    """The settings of this fleet, as TOML. Pure: the same for the same fleet, whenever it is asked for.

    Args:
        names: the fleet, and where it is.
        endpoint: the one address for all services; None is AWS's own.
        queue: of the request queue.
        subnet: where instances are launched; empty is the default VPC's.
        worker_role: ARN of the role of workers in a private cloud; empty when there is none.
    """
    types = ", ".join(map(json.dumps, INSTANCE_TYPES))
    where = [f"region = {json.dumps(names.region)}"]
    if endpoint:
        where.append(f"endpoint = {json.dumps(endpoint)}")
    if worker_role:
        where += ["# Workers in a private cloud get credentials of it that end soon.", _role(worker_role)]
    zones = f"{_zones(subnet)}\n" if subnet else ""
    return f"""\
# Written by `burstlens deploy aws up`. Change what you like: it is not written over.
fleet = {json.dumps(names.fleet)}

[aws]
{chr(10).join(where)}

[queue]
url = "sqs:{names.queue_prefix}"
# The stack's queue has these two as well: after a change, run `burstlens deploy aws up`.
lease_seconds = {float(queue.lease_seconds):g}
max_attempts = {queue.max_attempts}

[buckets]
inputs = "s3://{names.bucket(INPUTS)}"
outputs = "s3://{names.bucket(OUTPUTS)}"
fleet = "s3://{names.bucket(FLEET)}"

[scaling]
max_instances = 19
# From RunInstances to the first heartbeat, generously: a first boot reads a cold disk.
boot_allowance_seconds = 300
# EC2 lists a new instance late.
listing_grace_seconds = 60

[[pools]]
name = "ec2"
cloud = "ec2"
# Filled after pools of a lower order, such as one on OpenStack.
order = 1
cap = 19
launch_template = "{names.launch_template}"
# The preferred first; the next is tried when EC2 has none of one.
instance_types = [{types}]
{zones}\
# market = "spot" is cheaper, and EC2 takes instances back after a notice of two minutes.
# price_per_hour = 0.1 says what one costs in your region.
# EC2 charges by the second, and a minute at least.
billing_minimum_seconds = 60
"""


def missing_zones(settings: Settings, subnet: str) -> str:
    """The line that pools of these settings lack whose instances would be launched into no network of the fleet's.

    Empty when there is none. Pure.

    Args:
        settings: of a file that was not written now.
        subnet: where instances are launched; empty is the default VPC's.
    """
    lacking = [pool.name for pool in settings.pools if pool.cloud == "ec2" and not pool.zones]
    if not subnet or not lacking:
        return ""
    return f"{_zones(subnet)} is missing in the pool {', '.join(lacking)}: without it, its instances cannot be launched"


def missing_role(settings: Settings, worker_role: str) -> str:
    """The line that these settings lack, without which no worker can be launched in a private cloud. Pure.

    Empty when there is none.

    Args:
        settings: of a file that was not written now.
        worker_role: ARN of the role of workers in a private cloud; empty when there is none.
    """
    if not worker_role or settings.aws.worker_role:
        return ""
    return f"{_role(worker_role)} is missing in [aws]: without it, no worker can be launched in a private cloud"


def _role(worker_role: str) -> str:
    return f"worker_role = {json.dumps(worker_role)}"


def _zones(subnet: str) -> str:
    return f"zones = [{json.dumps(subnet)}]"


def difference(settings: Settings, names: Names) -> str:
    """In what the settings are another deployment's than this one; empty when they are not. Pure."""
    wanted = {
        "fleet": (settings.fleet, names.fleet),
        "aws.region": (settings.aws.region or names.region, names.region),
        "queue.url": (settings.queue.url, f"sqs:{names.queue_prefix}"),
        # The stack's queues, roles and `down` know these alone.
        "queue.name": (settings.queue.name, REQUESTS),
        "queue.response_name": (settings.queue.response_name, ""),
        "buckets.inputs": (settings.buckets.inputs, f"s3://{names.bucket(INPUTS)}"),
        "buckets.outputs": (settings.buckets.outputs, f"s3://{names.bucket(OUTPUTS)}"),
        "buckets.fleet": (settings.buckets.fleet, f"s3://{names.bucket(FLEET)}"),
    }
    for name, (has, needs) in wanted.items():
        if has != needs:
            return f"{name} is {has!r} there, and {needs!r} here"
    return ""


def write_settings(path: Path, text: str) -> str:
    """Write the file unless there is one; return what was done, in one line. It is there whole, or not at all.

    Raises:
        Misconfigured: it cannot be written.
    """
    try:
        there = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        write_whole(path, text)
        return f"{path} is written"
    if there == text:
        return f"{path} is as it should be"
    return f"{path} is kept as it is: it was changed since it was written, or by another version"


def web_user_data(settings: Settings, port: int) -> str:
    """What the web host is told: these settings, and to serve whoever the security group lets through.

    Raises:
        Misconfigured: they are longer than CloudFormation takes.
    """
    served = settings.with_web(host="0.0.0.0", port=port)  # noqa: S104 - its security group says who reaches it
    sections: dict[str, Mapping[str, Any]] = {
        name: getattr(served, name).model_dump(mode="json", exclude_defaults=True) for name in _SECTIONS
    }
    # Without a file of its own the host would take the defaults of one machine for these.
    for section, values in one_machine().items():
        full = getattr(served, section).model_dump(mode="json")
        sections[section] = {name: full[name] for name in values} | dict(sections[section])
    pools = [pool.model_dump(mode="json", exclude_defaults=True) for pool in served.pools]
    environment = {
        "BURSTLENS_CONFIG": os.devnull,
        "BURSTLENS_FLEET": served.fleet,
        "BURSTLENS_DATA": INSTANCE_DATA,
        "BURSTLENS_POOLS": json.dumps(pools),
        **{f"BURSTLENS_{name.upper()}": json.dumps(values) for name, values in sections.items() if values},
    }
    text = machine_user_data(environment, [WEB_UNIT, AUTOSCALER_UNIT])
    if len(text.encode()) > LONGEST_VALUE:
        message = f"the settings make {len(text.encode()):,} bytes of user data; CloudFormation takes {LONGEST_VALUE:,}"
        raise Misconfigured(message)
    return text

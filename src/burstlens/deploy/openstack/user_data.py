"""What the web host is told: the settings file, and what is different where it is."""

import json
import tomllib
from collections.abc import Mapping, Sequence

from burstlens.clouds.user_data import AUTOSCALER_UNIT, WEB_UNIT, machine_user_data
from burstlens.deploy.openstack.handover import CLOUDS, FOLDER, waiting
from burstlens.deploy.openstack.names import Names
from burstlens.settings.model import INSTANCE_DATA

UNITS = (WEB_UNIT, AUTOSCALER_UNIT)
_CONFIG = f"{FOLDER}/burstlens.toml"


def web_user_data(
    settings_text: str, names: Names, port: int, cloud: str, ids: Mapping[str, str], files: Sequence[str]
) -> str:
    """Cloud-init of the web host. Pure: the same for the same settings, whatever their file says in comments.

    Args:
        settings_text: of the settings file.
        names: the fleet's.
        port: that the web tier serves on; its security group says who reaches it.
        cloud: its name in the ``clouds.yaml`` that the host is given; empty when it needs none.
        ids: of the network and of the workers' security group, by name: somebody else's may be called the same.
        files: credentials that the units wait for.

    Raises:
        Misconfigured: it is larger than a cloud takes.
    """
    environment = {
        "BURSTLENS_CONFIG": _CONFIG,
        "BURSTLENS_FLEET": names.fleet,
        "BURSTLENS_DATA": INSTANCE_DATA,
        "BURSTLENS_WEB__HOST": "0.0.0.0",  # noqa: S104
        "BURSTLENS_WEB__PORT": str(port),
    }
    if cloud:
        options = tomllib.loads(settings_text).get("openstack", {})
        groups = [ids.get(group, group) for group in options.get("security_groups", ())]
        network = options.get("network", names.network)
        environment |= {
            "BURSTLENS_OPENSTACK__CLOUD": cloud,
            "BURSTLENS_OPENSTACK__NETWORK": ids.get(network, network),
            "BURSTLENS_OPENSTACK__SECURITY_GROUPS": json.dumps(groups or [ids[names.worker]]),
            "OS_CLIENT_CONFIG_FILE": f"{FOLDER}/{CLOUDS}",
        }
    written = {_CONFIG: _without_comments(settings_text)}
    return machine_user_data(environment, UNITS, written | (waiting(files, UNITS) if files else {}))


def _without_comments(text: str) -> str:
    """The same settings: whoever edits a comment does not want another server."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    shorter = "\n".join(lines) + "\n"
    try:
        same = tomllib.loads(shorter) == tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # one of them was in a string of several lines
        return text
    return shorter if same else text

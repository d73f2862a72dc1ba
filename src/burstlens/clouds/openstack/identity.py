"""Who a worker on an OpenStack server is: its name and pool are in its user data, its id cloud-init knows."""

import os
from collections.abc import Mapping
from pathlib import Path

from burstlens.errors import Misconfigured

INSTANCE_ID_VARIABLE = "BURSTLENS_INSTANCE_ID_FILE"
INSTANCE_ID_FILE = "/var/lib/cloud/data/instance-id"
"""Where cloud-init writes the id that its datasource gives, on OpenStack the server's, before it runs anything.
Source: cloud-init's documentation, "/var/lib/cloud"."""


def own_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The rest of who this instance is, as `burstlens.settings.adapters.identity` reads it.

    Raises:
        Misconfigured: cloud-init has not written the id.
    """
    path = Path(environment.get(INSTANCE_ID_VARIABLE) or INSTANCE_ID_FILE)
    try:
        own_id = path.read_text().strip()
    except OSError as error:
        own_id, why = "", error.strerror
    else:
        why = "it is empty"
    if not own_id:
        message = f"BURSTLENS_CLOUD=openstack, but {path} does not tell the server's id ({why}): does cloud-init run?"
        raise Misconfigured(message)
    return {"BURSTLENS_INSTANCE_ID": own_id}

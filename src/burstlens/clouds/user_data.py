"""What a machine is told at its birth, as cloud-init's user data: the same on every cloud, and small.

It holds no secret but credentials that end soon, for an instance whose cloud gives it none.

The image holds the package and its systemd units (see `burstlens.deploy.image`); user data only says which of them the
machine runs, and with which settings. JSON is YAML, so no YAML is written here.
"""

import json
from collections.abc import Mapping, Sequence

from burstlens.errors import Misconfigured

HEADER = "#cloud-config"
ENVIRONMENT_FILE = "/etc/burstlens/environment"
"""Settings as environment variables: the `EnvironmentFile` of every unit."""
CREDENTIALS_FILE = "/etc/burstlens/credentials"
"""More variables, which systemd reads for the units and only root otherwise; on most machines there is none."""
CLOUD = "BURSTLENS_CLOUD"
"""Variable that names the cloud of an instance that has to ask there who it is."""
WORKER_UNIT = "burstlens-worker.service"
WEB_UNIT = "burstlens-web.service"
AUTOSCALER_UNIT = "burstlens-autoscaler.service"

MAX_BYTES = 16_384
"""EC2's limit on user data, before base64."""


def worker_user_data(environment: Mapping[str, str], credentials: Mapping[str, str] | None = None) -> str:
    """User data of an instance that runs workers with these settings, and with these short-lived credentials."""
    files = {CREDENTIALS_FILE: environment_file(credentials)} if credentials else {}
    return machine_user_data(environment, [WORKER_UNIT], files)


def machine_user_data(
    environment: Mapping[str, str], units: Sequence[str], files: Mapping[str, str] | None = None
) -> str:
    """User data of a machine that runs these units, from now on and again after a reboot.

    Args:
        environment: settings for all of them; no secrets.
        units: systemd units that the image holds.
        files: further files by absolute path.

    Raises:
        Misconfigured: a setting cannot be passed on, or it is larger than a cloud takes.
    """
    written = {ENVIRONMENT_FILE: environment_file(environment), **(files or {})}
    # cloud-init is itself a unit that those may come after: it must not wait for them.
    return cloud_config(written, [["systemctl", "enable", "--now", "--no-block", *units]])


def cloud_config(files: Mapping[str, str], commands: Sequence[Sequence[str]], packages: Sequence[str] = ()) -> str:
    """A cloud-config that writes files, installs Debian packages and runs commands, in this order.

    Raises:
        Misconfigured: it is larger than a cloud takes.
    """
    config: dict[str, object] = {
        "write_files": [
            {"path": path, "content": text, "permissions": "0600" if path == CREDENTIALS_FILE else "0644"}
            for path, text in files.items()
        ],
        "runcmd": [list(command) for command in commands],
    }
    if packages:
        config |= {"package_update": True, "packages": list(packages)}
    # YAML knows JSON's escapes, but not that two of them may be one character.
    text = f"{HEADER}\n{json.dumps(config, indent=1, ensure_ascii=False)}\n"
    if len(text.encode()) > MAX_BYTES:
        message = f"the user data has {len(text.encode()):,} bytes; a cloud takes at most {MAX_BYTES:,}"
        raise Misconfigured(message)
    return text


def environment_file(environment: Mapping[str, str]) -> str:
    """Variables as systemd's ``EnvironmentFile`` reads them (and a shell, and `shlex`), each in single quotes.

    Raises:
        Misconfigured: a value holds what single quotes, or YAML, cannot.
    """
    lines = []
    for name, value in environment.items():
        # In JSON, which most of the settings are, an apostrophe has another spelling.
        safe = value.replace("'", "\\u0027") if value.startswith(("{", "[")) else value
        if "'" in safe or not safe.isprintable():
            message = f"{name}: a setting of an instance may hold neither an apostrophe nor a control character"
            raise Misconfigured(message)
        lines.append(f"{name}='{safe}'\n")
    return "".join(lines)

"""The web host's way into OpenStack: an application credential of its own, in a ``clouds.yaml`` of its own."""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burstlens.deploy.openstack.handover import CA, FOLDER
from burstlens.deploy.openstack.project import Project
from burstlens.errors import Misconfigured, NotAuthorized
from burstlens.openstack.errors import translated

ROLE = "member"
"""What making servers takes (Keystone's default roles)."""

_HINT = "name a clouds.yaml for the web tier's server with --web-clouds FILE"


class Credentials:
    """The application credentials that the fleet's web hosts have, or have had. All of them are this user's."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def names(self) -> dict[str, str]:
        """Name by id."""
        project = self._project
        listed = project.ask(
            "the application credentials",
            lambda: [found.to_dict() for found in project.identity.application_credentials(project.user)],
        )
        mark = project.names.mark
        ours = [found for found in listed if found["description"] == mark and found["project_id"] == project.id]
        return {found["id"]: found["name"] for found in ours}

    def check_allowed(self) -> None:
        """Raise `Misconfigured` when whoever we are may make none: an application credential may not, as a rule."""
        own = self._project.cloud.config.get_auth_args().get("application_credential_id")
        if not own:
            return
        project = self._project
        found = project.ask("our credential", lambda: project.identity.get_application_credential(project.user, own))
        if not found.unrestricted:
            message = f"an application credential may not make another one for the web tier's server: {_HINT}"
            raise Misconfigured(message)

    def make(self) -> tuple[str, Mapping[str, str]]:
        """Make one; its id, and what is to be said at a login. Its secret is told once.

        Raises:
            Misconfigured: we may not.
        """
        project = self._project
        name = f"{project.names.web}-{uuid.uuid4().hex[:8]}"
        try:
            made = project.ask(
                f"the application credential {name}",
                lambda: project.identity.create_application_credential(
                    project.user, name, description=project.names.mark, roles=[{"name": ROLE}]
                ),
            )
        except NotAuthorized as error:
            message = f"{error}: {_HINT}"
            raise Misconfigured(message) from error
        return made.id, {"application_credential_id": made.id, "application_credential_secret": made.secret}

    def remove(self, number: str, name: str) -> None:
        """Remove one that may be gone already."""
        project = self._project
        project.remove(
            f"application credential {name}",
            lambda: project.identity.delete_application_credential(project.user, number, ignore_missing=False),
        )


def clouds_file(project: Project, cloud: str, secret: Mapping[str, str]) -> str:
    """``clouds.yaml`` (JSON is YAML) with this entry alone: the same cloud as ours, and that credential."""
    ours = project.cloud.config.config
    entry: dict[str, Any] = {
        "auth_type": "v3applicationcredential",
        "auth": {"auth_url": ours["auth"]["auth_url"], **secret},
        "region_name": ours.get("region_name") or None,
        "interface": ours.get("interface") or None,
        "verify": ours.get("verify", True),
        "cacert": f"{FOLDER}/{CA}" if ours.get("cacert") else None,
    }
    kept = {name: value for name, value in entry.items() if value is not None}
    return json.dumps({"clouds": {cloud: kept}}, indent=1)


def read_clouds_file(path: Path, cloud: str) -> str:
    """The text of a ``clouds.yaml`` with this entry of that file alone: a server gets no secret that it does not need.

    Raises:
        Misconfigured: there is no such entry.
    """
    from openstack.config import OpenStackConfig

    try:
        path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"--web-clouds: {path} cannot be read: {error}"
        raise Misconfigured(message) from None
    with translated(f"--web-clouds: {path}"):
        config = OpenStackConfig(config_files=[str(path)], secure_files=[], load_envvars=False)
    entries = config.cloud_config["clouds"]
    if cloud not in entries:
        message = f"--web-clouds: {path} has no cloud {cloud!r}, which the settings name; it has {', '.join(entries)}"
        raise Misconfigured(message)
    return json.dumps({"clouds": {cloud: entries[cloud]}}, indent=1)

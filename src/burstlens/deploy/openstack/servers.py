"""The web hosts of a fleet: one, or what a broken `up` has left of others."""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from burstlens.deploy.openstack import names
from burstlens.deploy.openstack.project import Project, Thing
from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.openstack.session import COMPUTE_VERSION

_BOOT_SECONDS = 900.0
_END_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Build:
    """What a web host is made from."""

    image: str
    """Id."""
    asked_image: str
    """As the operator calls it: the name of the newest, or an id."""
    flavor: str
    """Id."""
    zone: str
    key_pair: str
    user_data: str
    port: int

    @property
    def digest(self) -> str:
        """Of what it is told: another text makes it another host."""
        return hashlib.sha256(self.user_data.encode()).hexdigest()[:16]


class Servers:
    """Those that carry the fleet's mark."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._compute = project.cloud.compute

    def all(self) -> list[Thing]:
        """Every one, the oldest first."""
        mark = self._project.names.mark
        listed = self._project.ask(
            "the web tier's server",
            lambda: [
                server.to_dict()
                for server in self._compute.servers(details=True, tags=mark, microversion=COMPUTE_VERSION)
            ],
        )
        ours = [server for server in listed if mark in server["tags"] and server["status"] != "DELETED"]
        return sorted(ours, key=lambda server: (server["created_at"], server["id"]))

    def make(self, build: Build, port: Thing) -> Thing:
        """Start one on this port, with all that it is known by; it is not ready yet."""
        project = self._project
        attributes: dict[str, object] = {
            "name": project.names.web,
            "image_id": build.image,
            "flavor_id": build.flavor,
            "networks": [{"port": port["id"]}],
            "user_data": base64.b64encode(build.user_data.encode()).decode(),
            "config_drive": True,
            "tags": [project.names.mark],
            "metadata": {
                names.MARK: project.names.fleet,
                names.IMAGE: build.asked_image,
                names.ZONE: build.zone,
                names.PORT: str(build.port),
                names.USER_DATA: build.digest,
            },
        }
        if build.key_pair:
            attributes["key_name"] = build.key_pair
        if build.zone:
            attributes["availability_zone"] = build.zone
        made = project.make(
            f"server {project.names.web}",
            lambda: self._compute.create_server(microversion=COMPUTE_VERSION, **attributes).to_dict(),
            lambda: next(iter(self.all()), None),
        )
        return dict(made)

    def wait(self, server: Thing) -> Thing:
        """The server once it runs.

        Raises:
            Unavailable: it does not; the text is the cloud's reason.
        """
        project = self._project
        for _ in project.polls(f"the boot of the server {server['name']}", _BOOT_SECONDS):
            found = project.ask("the web tier's server", lambda: self._compute.get_server(server["id"]).to_dict())
            if found["status"] == "ERROR":
                fault = (found["fault"] or {}).get("message", "no reason is given")
                message = f"the server {server['name']} does not start: {fault}; `up` again makes another one"
                raise Unavailable(message)
            if found["status"] == "ACTIVE":
                return dict(found)
        raise AssertionError

    def start(self, server: Thing) -> None:
        """Switch one on that is off."""
        self._project.ask("the web tier's server", lambda: self._compute.start_server(server["id"]))

    def note(self, server: Thing, metadata: Mapping[str, str]) -> None:
        """Keep this with the server."""
        self._project.ask("the web tier's server", lambda: self._compute.set_server_metadata(server["id"], **metadata))

    def remove(self, server: Thing) -> None:
        """Remove one, and wait until it is gone: its port is free then."""
        project, compute = self._project, self._compute
        what = f"server {server['name']}"
        project.remove(what, lambda: compute.delete_server(server["id"], ignore_missing=False))
        for _ in project.polls(f"the end of the {what}", _END_SECONDS):
            try:
                found = project.ask(what, lambda: compute.get_server(server["id"]))
            except NotFound:
                return
            if found.status == "DELETED":
                return


def machine(project: Project, image: str, flavor: str) -> tuple[Thing, Thing]:
    """The image and the flavor of these names or ids; of images of one name the newest.

    Raises:
        Misconfigured: there is none.
    """
    cloud = project.cloud
    images = project.ask(
        "the images", lambda: [found.to_dict() for found in cloud.image.images(name=image)] or _by_id(project, image)
    )
    usable = [found for found in images if found["status"] == "active"]
    if not usable:
        state = f"is {images[0]['status']}" if images else "is not there"
        message = f"the image {image!r} {state}: `burstlens image bake` and `burstlens image import` make images"
        raise Misconfigured(message)
    flavors = project.ask("the flavors", lambda: [found.to_dict() for found in cloud.compute.flavors()])
    chosen = [found for found in flavors if flavor in {found["name"], found["id"]}]
    if not chosen:
        known = ", ".join(sorted(str(found["name"]) for found in flavors))
        message = f"--flavor: there is no flavor {flavor!r}; there is {known}"
        raise Misconfigured(message)
    return max(usable, key=lambda found: str(found["created_at"])), chosen[0]


def _by_id(project: Project, image: str) -> list[Thing]:
    try:
        return [project.ask("the image", lambda: project.cloud.image.get_image(image).to_dict())]
    except NotFound:
        return []

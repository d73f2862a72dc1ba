"""The images of a fleet in Glance: listed, uploaded, removed.

An image is the fleet's by its tag. Its properties do not say so: nova copies them to every snapshot that somebody makes
of a server, and a snapshot is not ours to find, or to remove.
"""

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from burstlens.clouds.openstack.tags import fleet_tag
from burstlens.deploy.openstack_image.disk import Disk
from burstlens.deploy.openstack_image.file import UploadedFile
from burstlens.deploy.openstack_image.image import SOURCE, Image
from burstlens.errors import BurstlensError, NotFound, QuotaExceeded, Unavailable
from burstlens.openstack.errors import translated
from burstlens.openstack.options import OpenStackOptions
from burstlens.openstack.session import open_connection

if TYPE_CHECKING:
    from openstack.connection import Connection
    from requests import Response

_PAGE = 100
_POLL_SECONDS = 1.0
_STORED_SECONDS = 900.0
"""How long Glance may take, after the last byte, to hash and store some GB."""
_UPLOAD_SECONDS = 6 * 3600.0
"""What no upload takes: a half one that is older has been left by a process that died."""
_FULL = frozenset({409, 413, 507})
"""Glance's answers to data for which there is no room: a quota of the project, or the store itself."""


class Glance:
    """The images of one fleet in the project of the settings. Every call blocks, and raises `BurstlensError`."""

    def __init__(self, options: OpenStackOptions, fleet: str, say: Callable[[str], None]) -> None:
        """Ask nobody yet; `say` is given each line of progress."""
        self._options = options
        self._tag = fleet_tag(fleet)
        self._say = say

    def all(self) -> list[Image]:
        """Every image of the fleet, the newest first."""
        return self._find(tag=self._tag)

    def uploaded(self, name: str, digest: str) -> Image | None:
        """One of this name with this content, whoever uploaded it.

        Args:
            name: of the image.
            digest: SHA-512 of the file; it may have been converted before it was uploaded.
        """
        found = [image for image in self._find(name=name) if image.digest == digest]
        found += [image for image in self.all() if image.name == name and image.source == digest]
        return next((image for image in found if image.is_usable), None)

    def built(self, build: str) -> Image | None:
        """The image of this build, when there is one."""
        return next((image for image in self.all() if image.build == build and image.is_usable), None)

    def in_use(self) -> set[str]:
        """Ids of images that servers of this project were made from."""
        with translated("nova: servers"):
            servers = [server.to_dict() for server in self._cloud.compute.servers(limit=_PAGE)]
        return {str(server["image"]["id"]) for server in servers if (server["image"] or {}).get("id")}

    def upload(self, disk: Disk, name: str, source: str, properties: Mapping[str, str]) -> Image:
        """Make an image of a file, and wait until servers can start from it. Nothing is left of a failure.

        Args:
            disk: what to upload.
            name: of the image; there may be others of this name.
            source: SHA-512 of the file that was given, before any conversion.
            properties: further ones.

        Raises:
            QuotaExceeded: there is no room.
            Unavailable: Glance did not store it, or not as it was sent.
        """
        self.remove_halves(source)
        wanted = {
            "name": name,
            "disk_format": disk.format.value,
            "container_format": "bare",
            "visibility": "private",
            "min_disk": disk.min_gib,
            "tags": [self._tag],
            **properties,
            SOURCE: source,
        }
        try:
            image = Image.parse(self._ask("POST", "/images", "glance: create image", json=wanted).json())
            self._say(f"uploading {name} as {image.id}")
            sent = self._send(image, disk)
            return self._stored(image, sent)
        except BaseException:
            self._tidy_up(source)
            raise

    def remove(self, image: Image) -> None:
        """Remove it; gone already is fine. Servers that run go on."""
        try:
            self._ask("DELETE", f"/images/{image.id}", f"glance: delete image {image.id}")
        except NotFound:
            return

    def remove_halves(self, source: str) -> None:
        """Remove what uploads have left that ended too soon: of this file, and of any other long ago."""
        for image in self.all():
            if image.is_half and (image.source == source or image.age_seconds(time.time()) > _UPLOAD_SECONDS):
                self.remove(image)
                self._say(f"removed {image.id}, of which an earlier run has uploaded a part")

    def _tidy_up(self, source: str) -> None:
        """Remove what this has begun, and raise nothing that would hide why."""
        try:
            self.remove_halves(source)
        except BurstlensError as error:
            self._say(f"a part of an image may be left, which the next run removes: {error}")

    def _send(self, image: Image, disk: Disk) -> UploadedFile:
        with UploadedFile(disk.path, self._say) as file:
            self._ask(
                "PUT",
                f"/images/{image.id}/file",
                f"glance: upload {disk.path.name}",
                data=file,
                headers={"Content-Type": "application/octet-stream"},
                timeout=(self._options.request_seconds, _STORED_SECONDS),
                # What has been read of the file cannot be sent again.
                allow_reauth=False,
            )
            return file

    def _stored(self, image: Image, sent: UploadedFile) -> Image:
        """Wait until it is active."""
        until = time.monotonic() + _STORED_SECONDS
        while not image.is_usable:
            if image.status in {"killed", "deleted", "pending_delete"} or time.monotonic() > until:
                message = f"glance: image {image.id} has not become active: it is {image.status}"
                raise Unavailable(message)
            image = self._get(image.id)
            if not image.is_usable:
                time.sleep(_POLL_SECONDS)
        if image.size != sent.size or image.digest not in {"", sent.digest}:
            self.remove(image)
            message = f"glance: image {image.id} is not what was sent, and was removed: import it again"
            raise Unavailable(message)
        return image

    def _get(self, image_id: str) -> Image:
        return Image.parse(self._ask("GET", f"/images/{image_id}", f"glance: show image {image_id}").json())

    def _find(self, **filters: str) -> list[Image]:
        """Images of this project, the newest first: an administrator is shown those of all of them."""
        found: list[Image] = []
        query = {"owner": self._project, "limit": _PAGE, "sort": "created_at:desc", **filters}
        while True:
            page = self._ask("GET", "/images", "glance: list images", params=query).json()["images"]
            found += map(Image.parse, page)
            if len(page) < _PAGE:
                return found
            query["marker"] = found[-1].id

    def _ask(self, method: str, path: str, what: str, **parameters: Any) -> "Response":  # noqa: ANN401 - of requests
        """One call. The SDK's own methods for images add properties of theirs, and follow any link."""
        with translated(what):
            from openstack.exceptions import raise_from_response

            response = self._cloud.image.request(
                path, method, raise_exc=False, connect_retries=0, status_code_retries=0, **parameters
            )
            if method in {"POST", "PUT"} and response.status_code in _FULL:
                message = f"{what}: there is no room for it: {response.text[:300]}; see: burstlens image prune"
                raise QuotaExceeded(message)
            raise_from_response(response)
            return response

    @cached_property
    def _cloud(self) -> "Connection":
        return open_connection(self._options)

    @cached_property
    def _project(self) -> str:
        with translated("keystone"):
            return self._cloud.session.get_project_id() or ""

"""What nova lists, all of it or nothing."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from burstlens.clouds.openstack import tags
from burstlens.clouds.openstack.server import Server
from burstlens.errors import NotFound, Unavailable
from burstlens.openstack.session import OpenStackSession

PAGE = 200
"""Servers asked for at once; nova returns 1,000 at most, or what its operator has set."""


async def of_fleet(session: OpenStackSession, fleet: str, page: int = PAGE) -> list[Server]:
    """All servers of the fleet that exist.

    Raises:
        BurstlensError: a page failed, or cannot be read; a part is never returned.
    """
    found = await _pages(session, {"tags": tags.fleet_tag(fleet)}, page)
    # A server that does not say so itself is not ours, whatever the filter let through.
    return [server for server in found if server.is_of(fleet)]


async def changed_since(session: OpenStackSession, since: str, page: int = PAGE) -> list[Server]:
    """All servers of the project that something happened to since a time in ISO 8601, deleted ones included.

    These have neither tags nor metadata any more. Raises as `of_fleet` does.
    """
    return await _pages(session, {"changes-since": since}, page)


async def find(session: OpenStackSession, server_id: str) -> Server | None:
    """The server with this id; None when there is none.

    Raises:
        BurstlensError: nova does not say.
    """
    path = f"/servers/{server_id}"
    try:
        answer = await session.ask("compute", "GET", path, "server")
    except NotFound:
        return None
    return _read([answer["server"]], path)[0]


async def _pages(session: OpenStackSession, filters: Mapping[str, str], page: int) -> list[Server]:
    path = "/servers/detail"
    return _read(await session.compute_pages(path, "servers", filters, page), path)


def _read(items: Iterable[Mapping[str, Any]], path: str) -> list[Server]:
    try:
        return [Server.model_validate(item) for item in items]
    except ValidationError as error:
        first = str(error).replace("\n", " ")
        message = f"nova: GET {path}: a server cannot be read: {first}"
        raise Unavailable(message) from error

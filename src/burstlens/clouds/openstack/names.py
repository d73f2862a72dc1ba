"""What the names in a pool and in `[openstack]` mean in the cloud: ids of images, flavors and networks."""

import re
from collections.abc import Iterable, Sequence

from burstlens.clouds.openstack.quota import Flavor
from burstlens.errors import Misconfigured, NotFound, Unavailable
from burstlens.openstack.session import OpenStackSession, items_of, text_of

_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_FEW = 12
"""So many names are listed when one is not found."""
_PAGE = 1000
"""The most that nova returns at once, by default."""


async def image_id(session: OpenStackSession, wanted: str) -> str:
    """Id of the newest active image of this name, or of the one with this id.

    Raises:
        Misconfigured: there is none.
    """
    newest = {"name": wanted, "status": "active", "sort": "created_at:desc", "limit": 1}
    found = await session.ask("image", "GET", "/images", "images", params=newest)
    if images := items_of(found, "images"):
        return text_of(images[0], "id")
    if _UUID.fullmatch(wanted):
        try:
            image = await session.ask("image", "GET", f"/images/{wanted}", "status")
        except NotFound:
            pass
        else:
            if image["status"] == "active":
                return wanted
            message = f"image {wanted} is {image['status']}, not active"
            raise Misconfigured(message)
    active = {"status": "active", "limit": 100}
    there = items_of(await session.ask("image", "GET", "/images", "images", params=active), "images")
    names = (str(image.get("name") or "") for image in there)
    raise _missing("image", wanted, names, "`burstlens image bake` makes one")


async def flavors(session: OpenStackSession, wanted: Sequence[str]) -> dict[str, Flavor]:
    """Each flavor that is wanted by its name or id.

    Raises:
        Misconfigured: one is not there.
    """
    there = await session.compute_pages("/flavors/detail", "flavors", {}, _PAGE)
    try:
        known = {flavor["name"]: Flavor(flavor["id"], flavor["vcpus"], flavor["ram"]) for flavor in there}
    except (KeyError, TypeError) as error:
        message = "nova: GET /flavors/detail: a flavor cannot be read"
        raise Unavailable(message) from error
    by_any = {flavor.id: flavor for flavor in known.values()} | known
    for name in wanted or ("",):
        if name not in by_any:
            raise _missing("flavor", name, known, "set instance_types")
    return {name: by_any[name] for name in wanted}


async def network_id(session: OpenStackSession, wanted: str) -> str:
    """Id of the network of this name or id; for an empty one, of the project's only network.

    Networks of others, which are shared with the project, only count when it has none itself.

    Raises:
        Misconfigured: there is none, or not only one.
    """
    there = items_of(await session.ask("network", "GET", "/networks", "networks"), "networks")
    if wanted:
        found = [network for network in there if wanted in {text_of(network, "id"), text_of(network, "name")}]
    else:
        inside = [network for network in there if not network.get("router:external")]
        project = await session.project_id()
        found = [network for network in inside if network.get("project_id") == project] or inside
    if len(found) == 1:
        return text_of(found[0], "id")
    if not found:
        raise _missing("network", wanted, (text_of(network, "name") for network in there), "set openstack.network")
    several = _few(text_of(network, "name") for network in found)
    message = f"there is more than one network ({several}): set openstack.network to the name or id of one"
    raise Misconfigured(message)


async def zone_is_known(session: OpenStackSession, wanted: str) -> bool:
    """Whether there is an availability zone of this name, be it up or not."""
    key = "availabilityZoneInfo"
    there = items_of(await session.ask("compute", "GET", "/os-availability-zone", key), key)
    return wanted in {text_of(zone, "zoneName") for zone in there}


def _missing(what: str, wanted: str, names: Iterable[str], hint: str) -> Misconfigured:
    return Misconfigured(f"there is no {what} {wanted!r}: {hint}; there are: {_few(names)}")


def _few(names: Iterable[str]) -> str:
    known = sorted({name for name in names if name})
    more = f" and {len(known) - _FEW} more" if len(known) > _FEW else ""
    return (", ".join(known[:_FEW]) or "none") + more

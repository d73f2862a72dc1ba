"""What is in the cloud once it runs: catalog, projects, networks, flavors, images, and the credentials for all that."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from burstlens.errors import Unavailable
from lab.openstack.databases import discover_hosts
from lab.openstack.layout import (
    BRIDGE_ADDRESS,
    GLANCE,
    KEYSTONE,
    NEUTRON,
    NOVA,
    PLACEMENT,
    REGION,
    TEMPLATES,
    Lab,
    filled,
    write_private,
)
from lab.openstack.processes import last_lines, pids

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy as Identity

CATALOG = {
    "placement": ("placement", PLACEMENT),
    "image": ("glance", GLANCE),
    "network": ("neutron", NEUTRON),
    "compute": ("nova", NOVA),
}
"""Type of service → name and URL."""

FLAVORS = {"lab.tiny": (512, 1), "lab.small": (1024, 2), "lab.guest": (1536, 4), "lab.huge": (512, 1_000_000)}
"""Name → MiB of memory and GiB of disk, with one core each. `lab.huge` fits no host: its servers end in ERROR."""

PUBLIC_RANGE = "203.0.113.0/24"
"""For floating IPs; RFC 5737 keeps it for documentation, so it is nowhere on the net."""

_UP_SECONDS = 300.0
"""On an idle machine a compute takes ten."""


@contextlib.contextmanager
def connected(lab: Lab, user: str) -> Iterator["Connection"]:
    """A client with the user's password while the block runs; `user` is also the name of the project.

    Raises:
        Unavailable: the cloud refused something that the block asked for, or did not answer.
    """
    import openstack
    from keystoneauth1.exceptions import ClientException
    from openstack.exceptions import SDKException

    auth = {
        "auth_url": KEYSTONE,
        "username": user,
        "password": lab.password,
        "project_name": user,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    with openstack.connect(load_yaml_config=False, load_envvars=False, region_name=REGION, auth=auth) as cloud:
        try:
            yield cloud
        except (ClientException, SDKException) as error:
            message = f"the cloud does not do what it should: {error}; its logs are in {lab.log}"
            raise Unavailable(message) from error


def fill_catalog(lab: Lab) -> None:
    """Tell where the services are and who may use them. Idempotent."""
    with connected(lab, "admin") as cloud:
        identity = _identity(cloud)
        known = {service.type: service for service in identity.services()}
        for kind, (name, url) in CATALOG.items():
            service = known.get(kind) or identity.create_service(type=kind, name=name)
            there = {endpoint.interface for endpoint in identity.endpoints(service_id=service.id)}
            for interface in {"public", "internal", "admin"} - there:
                identity.create_endpoint(service_id=service.id, interface=interface, url=url, region_id=REGION)
        demo = identity.find_project("demo") or identity.create_project(name="demo", domain_id="default")
        user = identity.find_user("demo") or identity.create_user(
            name="demo", password=lab.password, default_project_id=demo.id, domain_id="default"
        )
        admin = identity.find_user("admin", ignore_missing=False)
        admins = identity.find_project("admin", ignore_missing=False)
        roles = {name: identity.find_role(name) or identity.create_role(name=name) for name in ("service", "member")}
        identity.assign_project_role_to_user(admins, admin, roles["service"])
        identity.assign_project_role_to_user(demo, user, roles["member"])


def fill(lab: Lab, zone: str, host: str) -> None:
    """Make networks, flavors and the image, name the availability zone, and write clouds.yaml. Idempotent.

    Args:
        lab: the lab.
        zone: the compute's availability zone.
        host: the compute's name in nova.

    Raises:
        Unavailable: the compute does not come up.
    """
    with connected(lab, "admin") as cloud:
        _networks(cloud)
        for name, (memory, disk) in FLAVORS.items():
            if not cloud.compute.find_flavor(name):
                cloud.compute.create_flavor(name=name, ram=memory, vcpus=1, disk=disk)
        if not cloud.image.find_image("tiny"):
            cloud.create_image(
                "tiny", data=bytes(1024), disk_format="raw", container_format="bare", visibility="public", wait=True
            )
        _put_in_zone(lab, cloud, zone, host)
    _write_credentials(lab)


def _identity(cloud: "Connection") -> "Identity":
    """Keystone. The SDK types it as either of two APIs, of which keystone has had only the second for years."""
    return cast("Identity", cloud.identity)


def _networks(cloud: "Connection") -> None:
    """`lab`, on which guests meet this machine, and `public`, the outside of routers."""
    network = cloud.network
    lab = network.find_network("lab") or network.create_network(
        name="lab", shared=True, provider_network_type="flat", provider_physical_network="lab"
    )
    start, end = (BRIDGE_ADDRESS.rpartition(".")[0] + last for last in (".10", ".250"))
    if not network.find_subnet("lab"):
        network.create_subnet(
            name="lab",
            network_id=lab.id,
            ip_version=4,
            cidr=f"{BRIDGE_ADDRESS.rpartition('.')[0]}.0/24",
            gateway_ip=BRIDGE_ADDRESS,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": start, "end": end}],
            dns_nameservers=[BRIDGE_ADDRESS],
        )
    public = network.find_network("public") or network.create_network(
        name="public", is_router_external=True, provider_network_type="flat", provider_physical_network="public"
    )
    if not network.find_subnet("public"):
        network.create_subnet(
            name="public", network_id=public.id, ip_version=4, cidr=PUBLIC_RANGE, is_dhcp_enabled=False
        )


def _put_in_zone(lab: Lab, cloud: "Connection", zone: str, host: str) -> None:
    """Wait until the host is up and known to its cell, then put it into its availability zone."""
    compute = cloud.compute
    process = f"compute-{zone}"
    begun = (lab.run / f"{process}.pid").stat().st_mtime

    def until(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _UP_SECONDS
        while not condition():
            if time.monotonic() > deadline or not pids(lab)[process].alive:
                message = f"the compute {host} {what}; {last_lines(lab, process)}"
                raise Unavailable(message)
            time.sleep(0.3)

    def reports() -> bool:
        """Nova calls a compute up for a minute after its last word, which may be from before the last stop."""
        last = [service.updated_at for service in compute.services(binary="nova-compute", host=host)]
        return any(word and datetime.fromisoformat(word).replace(tzinfo=UTC).timestamp() > begun for word in last)

    # Placement hears of a compute after nova has recorded it; only then can its cell be told of it.
    until(lambda: any(cloud.placement.resource_providers(name=host)), "does not become known to placement")
    if not any(node.name == host for node in compute.hypervisors()):
        discover_hosts(lab)
    until(reports, "does not come up")
    aggregate = next((known for known in compute.aggregates() if known.name == zone), None)
    aggregate = aggregate or compute.create_aggregate(name=zone, availability_zone=zone)
    if host not in (aggregate.hosts or ()):
        compute.add_host_to_aggregate(aggregate, host)


def _write_credentials(lab: Lab) -> None:
    """Write clouds.yaml with an application credential; the one that is there is kept while it is still known."""
    with connected(lab, "demo") as cloud:
        identity = _identity(cloud)
        user = cast("str", cloud.current_user_id)
        known = {credential.id: credential for credential in identity.application_credentials(user)}
        if lab.clouds.exists() and any(number in lab.clouds.read_text() for number in known):
            return
        for credential in known.values():
            # Its secret was lost with the file: nobody can use it any more.
            identity.delete_application_credential(user, credential)
        made = identity.create_application_credential(user, "lab")
        words = lab.words() | {"credential_id": made.id, "credential_secret": made.secret}
        write_private(lab.clouds, filled(TEMPLATES / "clouds.yaml", words))

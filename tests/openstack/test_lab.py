"""The lab as a whole: a real OpenStack is used as a deployment would use it, is started again, and ended."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.openstack.layout import BRIDGE
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import RUNNING, Project, command

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection

pytestmark = [
    # For the one that has the lab started.
    pytest.mark.timeout(600),
    SDK_WARNINGS,
]


@pytest.fixture
def cloud(openstack_project: Project) -> Iterator["Connection"]:
    """Who a deployment is: an application credential of a project."""
    with openstack_project.connect() as cloud:
        cloud.compute.default_microversion = "2.87"
        yield cloud


def server(cloud: "Connection", name: str, flavor: str = "lab.tiny") -> "Server":
    return cloud.compute.create_server(
        name=name,
        flavor_id=cloud.compute.find_flavor(flavor, ignore_missing=False).id,
        image_id=cloud.image.find_image("tiny", ignore_missing=False).id,
        networks=[{"uuid": cloud.network.find_network("lab", ignore_missing=False).id}],
        availability_zone="fake",
        tags=["burstlens"],
    )


def settled(cloud: "Connection", number: str) -> "Server":
    while (found := cloud.compute.get_server(number)).status == "BUILD":
        time.sleep(0.3)
    return found


def test_a_server_becomes_active_is_found_by_its_tag_and_is_gone_once_deleted(cloud: "Connection") -> None:
    made = settled(cloud, server(cloud, "app-tier-instance1").id)
    assert made.status == "ACTIVE", made.fault
    assert [found.id for found in cloud.compute.servers(tags="burstlens")] == [made.id]
    cloud.compute.delete_server(made)
    cloud.compute.wait_for_delete(made, interval=1, wait=60)
    assert list(cloud.compute.servers()) == []


def test_a_port_behind_a_router_gets_a_floating_ip(cloud: "Connection") -> None:
    network = cloud.network
    private = network.create_network(name="private")
    subnet = network.create_subnet(network_id=private.id, ip_version=4, cidr="192.168.10.0/24")
    public = network.find_network("public", ignore_missing=False)
    router = network.create_router(name="router", external_gateway_info={"network_id": public.id})
    network.add_interface_to_router(router, subnet=subnet.id)
    port = network.create_port(network_id=private.id)
    address = network.create_ip(floating_network_id=public.id, port_id=port.id)
    assert address.floating_ip_address.startswith("203.0.113.")
    assert network.get_ip(address).router_id == router.id


def test_a_server_beyond_the_quota_is_refused(cloud: "Connection", openstack_project: Project) -> None:
    from openstack.exceptions import ForbiddenException

    openstack_project.quota(instances=1)
    server(cloud, "first")
    with pytest.raises(ForbiddenException, match="Quota exceeded for instances"):
        server(cloud, "second")


def test_a_server_that_fits_no_host_ends_in_error(cloud: "Connection") -> None:
    made = settled(cloud, server(cloud, "huge", "lab.huge").id)
    assert made.status == "ERROR"
    assert "No valid host" in made.fault["message"]


def test_security_groups_can_be_made_with_rules(cloud: "Connection") -> None:
    group = cloud.network.create_security_group(name="web")
    cloud.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=8000, port_range_max=8000
    )
    rules = cloud.network.get_security_group(group).security_group_rules
    assert [rule["port_range_min"] for rule in rules if rule["protocol"] == "tcp"] == [8000]


def test_credentials_are_for_their_owner_alone(openstack_lab: Path) -> None:
    assert (openstack_lab / "clouds.yaml").stat().st_mode & 0o777 == 0o600
    assert openstack_lab.stat().st_mode & 0o777 == 0o700


def test_the_status_of_a_lab_that_runs_names_every_service_as_up(openstack_lab: Path) -> None:
    told = command(openstack_lab, "status", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    states = json.loads(told.stdout)
    assert {state["state"] for state in states} == {"up"}
    assert {"mariadb", "rabbitmq", "keystone", "glance", "neutron", "nova-api"} <= {state["name"] for state in states}
    assert all(state["pid"] and state["resident_bytes"] > 2**20 for state in states)


@pytest.mark.skipif(bool(os.environ.get(RUNNING)), reason="others may be using the lab that is given")
def test_a_second_start_changes_nothing_and_a_stopped_lab_keeps_its_content_and_leaves_no_process(
    openstack_lab: Path,
) -> None:
    credentials = (openstack_lab / "clouds.yaml").read_text()
    pids = pid_files(openstack_lab)
    assert command(openstack_lab, "start").returncode == 0
    assert pid_files(openstack_lab) == pids
    assert (openstack_lab / "clouds.yaml").read_text() == credentials

    assert command(openstack_lab, "stop").returncode == 0
    assert leftovers(openstack_lab) == []
    assert command(openstack_lab, "status").returncode == 1

    again = command(openstack_lab, "start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (openstack_lab / "clouds.yaml").read_text() == credentials


def pid_files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (folder / "run").glob("*.pid")}


def leftovers(folder: Path) -> list[str]:
    """Processes, mounts and devices of the lab."""
    found = [f"bridge {BRIDGE}"] if Path("/sys/class/net", BRIDGE).exists() else []
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    for loop in Path("/sys/block").glob("loop*/loop/backing_file"):
        found += [f"{loop}: {loop.read_text()}"] if str(folder) in loop.read_text() else []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in about:
            found.append(about.decode(errors="replace")[:200])
    return found

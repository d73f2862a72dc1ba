"""The lab as a whole: a real OpenStack is started, used as a deployment would use it, and ended.

It takes minutes, root and Debian, so it runs only when $BURSTLENS_TEST_OPENSTACK says so: ``make test-openstack``.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from lab.openstack.layout import BRIDGE

if TYPE_CHECKING:
    from openstack.compute.v2.server import Server
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy as Identity

pytestmark = [
    pytest.mark.skipif(not os.environ.get("BURSTLENS_TEST_OPENSTACK"), reason="make test-openstack runs it"),
    pytest.mark.timeout(600),
    # openstacksdk's own.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"),
]

ROOT = Path(__file__).parents[2]


def lab(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "lab.openstack", "--folder", str(folder), *words)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    # Not pytest's own: a Unix socket's path is short.
    parent = Path(tempfile.mkdtemp(prefix="burstlens-lab-"))
    started = lab(parent / "lab", "start")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield parent / "lab"
    finally:
        ended = lab(parent / "lab", "destroy")
        shutil.rmtree(parent)
    assert ended.returncode == 0, ended.stderr


@pytest.fixture(scope="module")
def clouds(folder: Path) -> Iterator[dict[str, "Connection"]]:
    import openstack

    made = {
        name: openstack.connect(cloud=name, load_envvars=False, config_files=[str(folder / "clouds.yaml")])
        for name in ("lab", "lab-admin")
    }
    yield made
    for cloud in made.values():
        cloud.close()


@pytest.fixture
def cloud(clouds: dict[str, "Connection"]) -> "Connection":
    """Who a deployment is: an application credential of the project `demo`."""
    return clouds["lab"]


def server(cloud: "Connection", name: str, flavor: str = "lab.tiny") -> "Server":
    compute = cloud.compute
    compute.default_microversion = "2.87"
    return compute.create_server(
        name=name,
        flavor_id=compute.find_flavor(flavor, ignore_missing=False).id,
        image_id=cloud.image.find_image("tiny", ignore_missing=False).id,
        networks=[{"uuid": cloud.network.find_network("lab", ignore_missing=False).id}],
        security_groups=[{"name": "default"}],
        availability_zone="fake",
        tags=["burstlens"],
    )


def settled(cloud: "Connection", number: str) -> "Server":
    while (found := cloud.compute.get_server(number)).status == "BUILD":
        time.sleep(0.3)
    return found


def remove(cloud: "Connection", *servers: "Server") -> None:
    for one in servers:
        cloud.compute.delete_server(one)
    for one in servers:
        cloud.compute.wait_for_delete(one, interval=1, wait=60)


def test_a_server_of_the_demo_project_becomes_active_and_is_found_by_its_tag(cloud: "Connection") -> None:
    made = settled(cloud, server(cloud, "app-tier-instance1").id)
    try:
        assert made.status == "ACTIVE", made.fault
        assert [found.id for found in cloud.compute.servers(tags="burstlens")] == [made.id]
    finally:
        remove(cloud, made)
    assert list(cloud.compute.servers()) == []


def test_a_server_behind_a_router_gets_a_floating_ip(cloud: "Connection") -> None:
    network = cloud.network
    private = network.create_network(name="private")
    subnet = network.create_subnet(network_id=private.id, ip_version=4, cidr="192.168.10.0/24")
    public = network.find_network("public", ignore_missing=False)
    router = network.create_router(name="router", external_gateway_info={"network_id": public.id})
    network.add_interface_to_router(router, subnet=subnet.id)
    port = network.create_port(network_id=private.id)
    address = network.create_ip(floating_network_id=public.id, port_id=port.id)
    try:
        assert address.floating_ip_address.startswith("203.0.113.")
        assert network.get_ip(address).router_id == router.id
    finally:
        network.delete_ip(address)
        network.delete_port(port)
        network.remove_interface_from_router(router, subnet=subnet.id)
        network.delete_router(router)
        network.delete_network(private)
    assert [found.name for found in network.networks()].count("private") == 0


def test_a_server_beyond_the_quota_is_refused(clouds: dict[str, "Connection"]) -> None:
    from openstack.exceptions import ForbiddenException

    cloud, admin = clouds["lab"], clouds["lab-admin"]
    project = cast("Identity", admin.identity).find_project("demo", ignore_missing=False)
    admin.compute.update_quota_set(project, instances=1)
    first = server(cloud, "first")
    try:
        with pytest.raises(ForbiddenException, match="Quota exceeded for instances"):
            server(cloud, "second")
    finally:
        remove(cloud, first)
        admin.compute.revert_quota_set(project)


def test_a_server_that_fits_no_host_ends_in_error(cloud: "Connection") -> None:
    made = settled(cloud, server(cloud, "huge", "lab.huge").id)
    try:
        assert made.status == "ERROR"
        assert "No valid host" in made.fault["message"]
    finally:
        remove(cloud, made)


def test_security_groups_can_be_made_with_rules(cloud: "Connection") -> None:
    group = cloud.network.create_security_group(name="web")
    try:
        cloud.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="tcp", port_range_min=8000, port_range_max=8000
        )
        rules = cloud.network.get_security_group(group).security_group_rules
        assert [rule["port_range_min"] for rule in rules if rule["protocol"] == "tcp"] == [8000]
    finally:
        cloud.network.delete_security_group(group)


def test_credentials_are_for_their_owner_alone(folder: Path) -> None:
    assert (folder / "clouds.yaml").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_start_changes_nothing_and_a_stopped_lab_keeps_its_content_and_leaves_no_process(folder: Path) -> None:
    credentials = (folder / "clouds.yaml").read_text()
    pids = sorted(path.read_text() for path in (folder / "run").glob("*.pid"))
    assert lab(folder, "start").returncode == 0
    assert sorted(path.read_text() for path in (folder / "run").glob("*.pid")) == pids
    assert (folder / "clouds.yaml").read_text() == credentials
    assert lab(folder, "status").returncode == 0

    assert lab(folder, "stop").returncode == 0
    assert leftovers(folder) == []
    assert lab(folder, "status").returncode == 1

    again = lab(folder, "start")
    assert again.returncode == 0, again.stdout + again.stderr
    assert (folder / "clouds.yaml").read_text() == credentials


def test_destroy_leaves_nothing(folder: Path) -> None:
    assert lab(folder, "destroy").returncode == 0
    assert not folder.exists()
    assert leftovers(folder) == []


def leftovers(folder: Path) -> list[str]:
    """Processes, mounts and devices of the lab."""
    found = [f"bridge {BRIDGE}"] if Path("/sys/class/net", BRIDGE).exists() else []
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            about = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in about:
            found.append(about.decode(errors="replace")[:200])
    return found

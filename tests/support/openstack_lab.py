"""The OpenStack lab for tests: one that runs, and a project of its own for each test that wants one."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import pytest

if TYPE_CHECKING:
    from openstack.connection import Connection
    from openstack.identity.v3._proxy import Proxy as Identity
    from openstack.identity.v3.project import Project as KeystoneProject
    from openstack.image.v2._proxy import Proxy as Images

RUNNING = "BURSTLENS_OPENSTACK_LAB"
"""Names the folder of a lab that runs already, and goes on running."""
WANTED = "BURSTLENS_TEST_OPENSTACK"
"""Set, to anything, it has one started; that takes a minute, root and Debian."""

ROOT = Path(__file__).parents[2]
Made = TypeVar("Made")

_CLOUD = "test"
_GONE_SECONDS = 60


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the lab to its end."""
    full = (sys.executable, "-m", "lab.openstack", "--folder", str(folder), *words)
    return subprocess.run(full, cwd=ROOT, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def own_lab() -> Iterator[Path]:
    """A lab that nobody else uses while the block runs; afterwards nothing of it is left."""
    # Not pytest's own folder: a Unix socket's path is short.
    parent = Path(tempfile.mkdtemp(prefix="burstlens-lab-"))
    started = command(parent / "lab", "start")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield parent / "lab"
    finally:
        ended = command(parent / "lab", "destroy")
        shutil.rmtree(parent)
    assert ended.returncode == 0, ended.stderr


def connection(clouds: Path, cloud: str) -> "Connection":
    """A client of this entry of this file, whatever the environment says."""
    from openstack.config import OpenStackConfig
    from openstack.connection import Connection

    config = OpenStackConfig(config_files=[str(clouds)], load_envvars=False)
    return Connection(config=config.get_one(cloud))


@dataclass(frozen=True, slots=True)
class Project:
    """A project with a user of its own.

    Attributes:
        name: of both.
        clouds: its ``clouds.yaml``, with an application credential.
        cloud: the entry in it.
        number: its id.
        admin: a client that may do everything.
    """

    name: str
    clouds: Path
    cloud: str
    number: str
    admin: "Connection"

    def connect(self) -> "Connection":
        """A client with the application credential."""
        return connection(self.clouds, self.cloud)

    def quota(self, **limits: int) -> None:
        """Set quotas of compute, such as ``instances=4``."""
        self.admin.compute.update_quota_set(self.keystone(), **cast("dict[str, Any]", limits))

    def keystone(self) -> "KeystoneProject":
        """As keystone knows it."""
        return cast("Identity", self.admin.identity).get_project(self.number)


@contextlib.contextmanager
def own_project(lab: Path, folder: Path) -> Iterator[Project]:
    """A project that is empty at first, while the block runs; afterwards it is gone with all that is in it.

    Args:
        lab: folder of a lab that runs.
        folder: where its ``clouds.yaml`` is written.
    """
    name, password = f"test-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    with connection(lab / "clouds.yaml", "lab-admin") as admin:
        identity = cast("Identity", admin.identity)
        made = identity.create_project(name=name, domain_id="default")
        user = identity.create_user(name=name, password=password, default_project_id=made.id, domain_id="default")
        try:
            role = identity.find_role("member", ignore_missing=False)
            identity.assign_project_role_to_user(made, user, role)
            clouds = _write_clouds(folder / f"{name}.yaml", admin.config.auth["auth_url"], name, password)
            project = Project(name, clouds, _CLOUD, made.id, admin)
            try:
                yield project
            finally:
                _empty(project)
        finally:
            identity.delete_user(user)
            identity.delete_project(made)


def _write_clouds(path: Path, keystone: str, name: str, password: str) -> Path:
    """Write clouds.yaml (JSON is YAML) with an application credential, which only its owner can make."""
    auth = {"auth_url": keystone, "username": name, "password": password, "project_name": name}
    auth |= {"user_domain_name": "Default", "project_domain_name": "Default"}
    owner = {"region_name": "RegionOne", "auth": auth}
    path.write_text(json.dumps({"clouds": {"owner": owner}}))
    with connection(path, "owner") as cloud:
        identity = cast("Identity", cloud.identity)
        made = _insist(lambda: identity.create_application_credential(cast("str", cloud.current_user_id), "test"))
    secret = {"application_credential_id": made.id, "application_credential_secret": made.secret, "auth_url": keystone}
    entry = {"region_name": "RegionOne", "auth_type": "v3applicationcredential", "auth": secret}
    path.write_text(json.dumps({"clouds": {_CLOUD: entry, "owner": owner}}))
    path.chmod(0o600)
    return path


def _insist(make: Callable[[], Made]) -> Made:
    """Keystone may not know yet, in one of its threads, what another one has just been told."""
    from openstack.exceptions import BadRequestException

    for _ in range(_GONE_SECONDS):
        try:
            return make()
        except BadRequestException:
            time.sleep(1)
    return make()


def _empty(project: Project) -> None:
    """Remove everything in the project, in the order in which it can go."""
    compute = project.admin.compute
    servers = list(compute.servers(all_projects=True, project_id=project.number))
    for server in servers:
        compute.delete_server(server)
    for server in servers:
        compute.wait_for_delete(server, interval=1, wait=_GONE_SECONDS)
    _empty_networks(project)
    images = cast("Images", project.admin.image)
    for image in images.images(owner=project.number):
        images.delete_image(image.id)


def _empty_networks(project: Project) -> None:
    network, mine = project.admin.network, {"project_id": project.number}
    for address in network.ips(**mine):
        network.delete_ip(address)
    for router in network.routers(**mine):
        for port in network.ports(device_id=router.id, device_owner="network:router_interface"):
            network.remove_interface_from_router(router, port=port.id)
        network.delete_router(router)
    for port in network.ports(**mine):
        network.delete_port(port)
    for found in network.networks(**mine):
        network.delete_network(found)
    for group in network.security_groups(**mine):
        if group.name != "default":
            network.delete_security_group(group)


def needed_lab() -> Iterator[Path]:
    """The lab that the environment names or asks for; without either the test is skipped."""
    if os.environ.get(RUNNING):
        yield Path(os.environ[RUNNING])
    elif os.environ.get(WANTED):
        with own_lab() as folder:
            yield folder
    else:
        pytest.skip("make test-openstack runs it")

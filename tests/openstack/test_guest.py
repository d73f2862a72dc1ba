"""A guest of the lab: QEMU boots it on nova's word, and its user data runs.

Without KVM that takes minutes, so it runs only when $BURSTLENS_TEST_VM says so: ``make test-vm``.
"""

import base64
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from burstlens.clouds.user_data import cloud_config
from lab.openstack.layout import BRIDGE_ADDRESS
from support.openstack_cloud import SDK_WARNINGS
from support.openstack_lab import Project

pytestmark = [
    pytest.mark.skipif(not os.environ.get("BURSTLENS_TEST_VM"), reason="make test-vm runs it"),
    # On a busy machine; on an idle one it is three minutes for the image, and one for each guest.
    pytest.mark.timeout(1800),
    SDK_WARNINGS,
]

_BOOT_SECONDS = 600.0


class Listener(HTTPServer):
    """Hears what guests tell this machine over the bridge.

    Attributes:
        heard: paths, in the order in which they were asked for.
    """

    timeout = _BOOT_SECONDS

    def __init__(self) -> None:
        super().__init__((BRIDGE_ADDRESS, 0), Handler)
        self.heard: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        self.server.heard.append(self.path)
        self.send_response(204)
        self.end_headers()


@pytest.mark.usefixtures("lab_with_guests")
@pytest.mark.parametrize("image", ["guest-qcow2", "guest-vmdk"])
def test_a_guest_boots_and_its_user_data_reaches_this_machine(openstack_project: Project, image: str) -> None:
    with Listener() as listener, openstack_project.connect() as cloud:
        url = f"http://{BRIDGE_ADDRESS}:{listener.server_port}/"
        told = f"import socket, urllib.request; urllib.request.urlopen({url!r} + socket.gethostname())"
        user_data = cloud_config({}, [["python3", "-c", told]])
        made = cloud.compute.create_server(
            name="app-tier-instance1",
            flavor_id=cloud.compute.find_flavor("lab.guest", ignore_missing=False).id,
            image_id=cloud.image.find_image(image, ignore_missing=False).id,
            networks=[{"uuid": cloud.network.find_network("lab", ignore_missing=False).id}],
            availability_zone="real",
            config_drive=True,
            user_data=base64.b64encode(user_data.encode()).decode(),
        )
        listener.handle_request()
        assert listener.heard == ["/app-tier-instance1"], cloud.compute.get_server_console_output(made)["output"]

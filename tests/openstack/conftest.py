"""What only tests on the OpenStack lab use."""

from pathlib import Path

import pytest

from lab.openstack.guest import baked
from lab.openstack.layout import Lab
from support.openstack_lab import command


@pytest.fixture(scope="session")
def lab_with_guests(openstack_lab: Path) -> Path:
    """The lab, with a compute that boots guests, and the image for them."""
    for words in (("start", "--compute", "real"), ("image",)):
        done = command(openstack_lab, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    return openstack_lab


@pytest.fixture(scope="session")
def vmdk(lab_with_guests: Path) -> Path:
    """A disk as `burstlens image bake` makes it of these sources."""
    return baked(Lab(lab_with_guests))["vmdk"]

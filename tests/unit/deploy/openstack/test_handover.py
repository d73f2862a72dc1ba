"""What goes over to the web host."""

import io
import tarfile
from pathlib import Path

import pytest

from burstlens.deploy.openstack.gifts import Given
from burstlens.deploy.openstack.handover import Parcel, Secret, hand_over
from burstlens.deploy.openstack.ssh import Ssh

PARCEL = Parcel(
    {"clouds.yaml": Secret("{}", 0o640, "burstlens"), "credentials": Secret("A='b'\n", 0o600)}, ["a.service"]
)


def test_the_service_reads_its_clouds_and_root_alone_the_rest() -> None:
    with tarfile.open(fileobj=io.BytesIO(PARCEL.archive)) as archive:
        entries = [(entry.name, entry.mode, entry.uname, entry.gname) for entry in archive.getmembers()]

    assert entries == [("clouds.yaml", 0o640, "root", "burstlens"), ("credentials", 0o600, "root", "root")]


def test_no_secret_is_shown_by_mistake() -> None:
    assert "A='b'" not in repr(PARCEL)


@pytest.mark.parametrize(("user", "first"), [("debian", "sudo -n sh -c "), ("root", "sh -c ")])
def test_whoever_is_not_root_becomes_root(user: str, first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []
    monkeypatch.setattr(Ssh, "run", lambda _self, command, _told: commands.append(command))

    hand_over(Ssh("host", user, Path("key"), Path("known"), "alias"), PARCEL)

    assert commands[0].startswith(first)
    assert commands[0].endswith("handover /etc/burstlens a.service")


def test_what_a_host_was_given_is_kept_as_it_was() -> None:
    given = Given("1-credential", "AKIA")

    assert Given.of(given.text) == given
    assert Given.of("") == Given()
    assert len(given.text) < 255

"""The handover of credentials over a real sshd on loopback."""

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from burstlens.clouds.user_data import AUTOSCALER_UNIT, WEB_UNIT
from burstlens.deploy.openstack.handover import CLOUDS, CREDENTIALS, Parcel, Secret, hand_over
from burstlens.deploy.openstack.ssh import Ssh
from burstlens.errors import Misconfigured, Unavailable
from support.sshd import Host, make_key, needs_sshd, sshd

pytestmark = needs_sshd

TEXT = "AWS_SECRET_ACCESS_KEY='not/for+others'\n"
UNITS = (WEB_UNIT, AUTOSCALER_UNIT)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with sshd(tmp_path) as host:
        yield host


def parcel(clouds: str = "{}") -> Parcel:
    return Parcel({CLOUDS: Secret(clouds, 0o640), CREDENTIALS: Secret(TEXT, 0o600)}, UNITS)


def modes(host: Host) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in host.etc.iterdir()}


def test_files_arrive_whole_with_their_modes_and_then_the_units_are_started(host: Host) -> None:
    hand_over(host.ssh(), parcel())

    assert modes(host) == {CLOUDS: 0o640, CREDENTIALS: 0o600}
    assert (host.etc / CREDENTIALS).read_text() == TEXT
    assert host.units == ["daemon-reload", f"restart --no-block -- {WEB_UNIT} {AUTOSCALER_UNIT}"]


def test_a_second_handover_replaces_the_first(host: Host) -> None:
    hand_over(host.ssh(), parcel())
    hand_over(host.ssh(), parcel('{"clouds": {}}'))

    assert (host.etc / CLOUDS).read_text() == '{"clouds": {}}'
    assert modes(host) == {CLOUDS: 0o640, CREDENTIALS: 0o600}


def test_a_handover_that_breaks_off_leaves_nothing_and_starts_nothing(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = parcel("x" * 200_000).archive
    monkeypatch.setattr(Parcel, "archive", whole[:100_000])

    with pytest.raises(Misconfigured, match="tar"):
        hand_over(host.ssh(), parcel())

    assert list(host.etc.iterdir()) == []
    assert host.units == []


def test_no_secret_is_in_a_list_of_processes(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A stand-in for ssh notes what anybody could see of it."""
    commands = tmp_path / "spy"
    commands.mkdir()
    spy = commands / "ssh"
    real = subprocess.run(["which", "ssh"], check=True, capture_output=True, text=True).stdout.strip()
    spy.write_text(
        f'#!/bin/sh\ntr "\\0" " " < /proc/$$/cmdline >> {tmp_path}/seen\nenv >> {tmp_path}/seen\nexec {real} "$@"\n'
    )
    spy.chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=":")

    hand_over(host.ssh(), parcel())

    seen = (tmp_path / "seen").read_text()
    assert "handover" in seen
    assert "not/for+others" not in seen
    assert (host.etc / CREDENTIALS).read_text() == TEXT


def test_a_key_that_may_not_log_in_is_told_as_it_is(host: Host, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="Permission denied"):
        host.ssh(key=make_key(tmp_path / "other")).run("true")


def test_a_host_that_does_not_answer_is_unavailable(host: Host) -> None:
    with pytest.raises(Unavailable, match="Connection refused"):
        host.ssh(port=1).run("true")


def test_a_host_key_is_learnt_once_and_another_one_is_refused(host: Host, tmp_path: Path) -> None:
    host.ssh().run("true")
    known = host.known_hosts.read_text()
    other = (make_key(tmp_path / "another").with_suffix(".pub")).read_text().split()
    host.known_hosts.write_text(f"host {other[0]} {other[1]}\n")

    assert known.count(" ssh-ed25519 ") == 1
    with pytest.raises(Misconfigured, match="another host key"):
        host.ssh().run("true")


def test_another_server_at_the_same_address_is_another_host(host: Host, tmp_path: Path) -> None:
    other = (make_key(tmp_path / "another").with_suffix(".pub")).read_text().split()
    host.known_hosts.write_text(f"host {other[0]} {other[1]}\n")

    host.ssh(alias="its-successor").run("true")


def test_what_fails_there_is_told_with_its_reason(host: Host) -> None:
    with pytest.raises(Misconfigured, match="no such thing"):
        host.ssh().run("echo no such thing >&2; exit 3")


def test_without_a_client_the_operator_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Misconfigured, match="install the OpenSSH client"):
        Ssh("127.0.0.1", "nobody", tmp_path / "id", tmp_path / "known", "host").run("true")

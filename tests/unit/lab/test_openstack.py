import fcntl
import json
import os
import platform
import re
import sys
from pathlib import Path
from string import Template

import pytest

from burstlens.errors import Misconfigured
from lab.openstack import content, databases
from lab.openstack.__main__ import check_machine, main
from lab.openstack.layout import HERE, TEMPLATES, Lab, filled
from lab.openstack.services import Compute, Service, backends, openstack, plan

COMPUTES = pytest.mark.parametrize("compute", list(Compute))
DEBIAN = {"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)"}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    lab.make_folders()
    return lab


@COMPUTES
def test_every_part_comes_after_all_that_it_waits_for(lab: Lab, compute: Compute) -> None:
    before: set[str] = set()
    for part in plan(lab, compute):
        assert set(part.waits_for) <= before, part.name
        before.add(part.name)


@COMPUTES
def test_no_two_parts_share_a_name_or_a_port(lab: Lab, compute: Compute) -> None:
    parts = plan(lab, compute)
    ports = [part.port for part in parts if isinstance(part, Service) and part.port]
    assert len({part.name for part in parts}) == len(parts)
    assert len(set(ports)) == len(ports)


@COMPUTES
def test_every_file_that_a_service_is_given_has_a_template(lab: Lab, compute: Compute) -> None:
    lab.configure()
    services = [part for part in plan(lab, compute) if isinstance(part, Service)]
    words = [word for service in services for word in service.command.words]
    files = {Path(found) for word in words for found in re.findall(rf"{lab.etc}/\S+", word)}
    assert files
    assert [file for file in files if not file.is_file()] == []


def test_nova_looks_for_placement_only_once_the_catalog_is_filled(lab: Lab) -> None:
    needs = {part.name: part.waits_for for part in plan(lab, Compute.FAKE)}
    assert "catalog" in needs["nova-scheduler"]
    assert "catalog" in needs["nova-conductor"]


def test_every_database_in_a_template_is_made(lab: Lab) -> None:
    texts = "".join(path.read_text() for path in TEMPLATES.rglob("*.conf"))
    assert set(re.findall(r"root@localhost/(\w+)", texts)) | {"nova_cell0"} == set(databases.NAMES)


def test_templates_are_filled_completely_and_only_their_owner_reads_them(lab: Lab) -> None:
    lab.configure()
    files = [path for path in lab.etc.rglob("*") if path.is_file()]
    assert len(files) >= 10
    for file in files:
        assert "${" not in file.read_text(), file
        assert file.stat().st_mode & 0o777 == 0o600, file


def test_a_word_that_nobody_defines_is_an_error(lab: Lab, tmp_path: Path) -> None:
    template = tmp_path / "new.conf"
    template.write_text("a = ${misspelt}")
    with pytest.raises(KeyError, match="misspelt"):
        filled(template, lab.words())


def test_clouds_yaml_needs_the_application_credential_and_nothing_else_unknown(lab: Lab) -> None:
    needed = set(Template((TEMPLATES / "clouds.yaml").read_text()).get_identifiers())
    assert needed - set(lab.words()) == {"credential_id", "credential_secret"}


def test_the_password_is_made_once_for_each_lab(lab: Lab, tmp_path: Path) -> None:
    assert lab.password == Lab(lab.folder).password
    other = Lab(tmp_path / "other")
    other.make_folders()
    assert other.password != lab.password


def test_the_catalog_names_what_the_plan_starts(lab: Lab) -> None:
    ports = {str(part.port) for part in plan(lab, Compute.FAKE) if isinstance(part, Service)}
    assert all(url.split(":")[2].partition("/")[0] in ports for _, url in content.CATALOG.values())


def test_services_do_not_see_another_cloud_in_the_environment(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLOUD", "production")
    assert "OS_CLOUD" not in lab.environment


def test_a_folder_that_is_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="shorter --folder"):
        Lab(tmp_path / ("x" * 100))


@pytest.mark.parametrize(
    ("user", "system"), [(1000, DEBIAN), (0, {"ID": "fedora", "PRETTY_NAME": "Fedora Linux 44"}), (0, {})]
)
def test_elsewhere_than_as_root_on_debian_it_says_so_in_one_line(user: int, system: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match=r"\AOpenStack's lab needs root on Debian; this is [^\n]+\Z"):
        check_machine(user, system)


def test_root_on_debian_is_welcome() -> None:
    check_machine(0, DEBIAN)


@pytest.mark.parametrize("command", ["install", "start", "image", "stop", "status", "destroy"])
def test_every_command_is_refused_to_others_than_root(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["lab", "--folder", str(tmp_path / "lab"), command])
    with pytest.raises(SystemExit, match=r"\Alab: OpenStack's lab needs root on Debian; this is user 1000 on [^\n]+\Z"):
        main()
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_os_release_is_refused_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, str]:
        raise FileNotFoundError

    monkeypatch.setattr(platform, "freedesktop_os_release", missing)
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(sys, "argv", ["lab", "--folder", str(tmp_path / "lab"), "start"])
    with pytest.raises(SystemExit, match=r" on Darwin\Z"):
        main()


@pytest.fixture
def as_root_on_debian(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(platform, "freedesktop_os_release", lambda: DEBIAN)


@pytest.mark.usefixtures("as_root_on_debian")
def test_the_status_of_what_was_never_started_is_an_error_and_names_every_service_as_stopped(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lab", "--folder", str(lab.folder), "status", "--json"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    states = json.loads(capsys.readouterr().out)
    assert {state["name"] for state in states} == {service.name for service in (*backends(lab), *openstack(lab))}
    assert {state["state"] for state in states} == {"stopped"}


@pytest.mark.usefixtures("as_root_on_debian")
def test_two_commands_are_not_at_work_on_one_lab(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lab", "--folder", str(lab.folder), "stop"])
    with lab.folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        with pytest.raises(SystemExit, match="another command is at work"):
            main()


def test_configuring_again_leaves_no_moment_without_a_file_and_no_new_content(lab: Lab) -> None:
    lab.configure()
    before = {path: path.read_text() for path in lab.etc.rglob("*") if path.is_file()}
    with (lab.etc / "nova/nova.conf").open() as opened:
        lab.configure()
        assert opened.read() == before[lab.etc / "nova/nova.conf"]
    assert {path: path.read_text() for path in lab.etc.rglob("*") if path.is_file()} == before


def test_requirements_are_pinned_and_name_no_address() -> None:
    for name in ("requirements.txt", "requirements-real.txt"):
        lines = (HERE / name).read_text().splitlines()
        wanted = [line for line in lines if line and line[0] not in " #"]
        assert wanted
        assert [line for line in wanted if not re.match(r"[\w.-]+==[\w.]+ ", line)] == []
        assert [line for line in lines if "://" in line] == []

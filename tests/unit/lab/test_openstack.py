import re
import subprocess
import sys
from pathlib import Path
from string import Template

import pytest

from burstlens.errors import Misconfigured
from lab.openstack import content, databases
from lab.openstack.__main__ import check_machine
from lab.openstack.layout import HERE, TEMPLATES, Lab, filled
from lab.openstack.processes import Pid, pid_of, stop
from lab.openstack.services import Compute, Service, plan

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


def test_requirements_are_pinned_and_name_no_address() -> None:
    for name in ("requirements.txt", "requirements-real.txt"):
        lines = (HERE / name).read_text().splitlines()
        wanted = [line for line in lines if line and line[0] not in " #"]
        assert wanted
        assert [line for line in wanted if not re.match(r"[\w.-]+==[\w.]+ ", line)] == []
        assert [line for line in lines if "://" in line] == []


def test_a_process_outlives_its_starter_and_is_ended_by_its_pid_file(lab: Lab) -> None:
    program = (
        "import sys; from pathlib import Path; from lab.openstack.layout import Lab;"
        "from lab.openstack.processes import Command, start;"
        "start(Lab(Path(sys.argv[1])), 'sleeper', Command(('sleep', '60')))"
    )
    subprocess.run((sys.executable, "-c", program, str(lab.folder)), check=True, cwd=HERE.parents[1])
    number, _ = (lab.run / "sleeper.pid").read_text().split()
    pid = pid_of(int(number))
    assert pid is not None
    stop(lab, {"sleeper"})
    assert not pid.alive
    assert list(lab.run.iterdir()) == []


def test_a_later_process_with_the_same_number_is_left_alone(lab: Lab) -> None:
    with subprocess.Popen(("sleep", "60")) as other:
        now = pid_of(other.pid)
        assert now is not None
        (lab.run / "gone.pid").write_text(f"{now.number} {now.born - 1}\n")
        stop(lab, {"gone"})
        assert now.alive
        assert not Pid(now.number, now.born - 1).alive
        other.kill()

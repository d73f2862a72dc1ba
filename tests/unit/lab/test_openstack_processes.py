"""The lab's processes: how they are started, told apart and ended."""

import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from burstlens.errors import Misconfigured
from lab.openstack import bridge, lifecycle
from lab.openstack.layout import HERE, Lab
from lab.openstack.lifecycle import status
from lab.openstack.probes import command_succeeds
from lab.openstack.processes import Command, Pid, pid_of, stop
from lab.openstack.services import Compute, Service


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path / "lab")
    lab.make_folders()
    return lab


def in_another_process(lab: Lab, program: str) -> subprocess.CompletedProcess[str]:
    """What starts processes is not there any more when they are looked at."""
    given = "import sys; from pathlib import Path; from lab.openstack.layout import Lab; lab = Lab(Path(sys.argv[1]));"
    given += "from lab.openstack.processes import Command, start;"
    words = (sys.executable, "-c", given + program, str(lab.folder))
    return subprocess.run(words, cwd=HERE.parents[1], capture_output=True, text=True, check=False)


def test_a_service_that_runs_and_one_that_died_are_told_apart(lab: Lab) -> None:
    with subprocess.Popen(("sleep", "60")) as running:
        now = pid_of(running.pid)
        assert now is not None
        (lab.run / "nova-scheduler.pid").write_text(f"{now.number} {now.born}\n")
        (lab.run / "nova-conductor.pid").write_text(f"{now.number} {now.born - 1}\n")
        states = {state.name: state for state in status(lab)}
        running.kill()
    assert (states["nova-scheduler"].state, states["nova-scheduler"].pid) == ("up", now.number)
    assert (states["nova-conductor"].state, states["nova-conductor"].pid) == ("died", None)


def test_a_port_that_is_somebody_elses_is_named_before_anything_starts_on_it(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        service = Service("keystone", Command(("sleep", "60")), port=port)
        monkeypatch.setattr(lifecycle, "plan", lambda *_: (service,))
        with pytest.raises(Misconfigured, match=f"port {port} of keystone is taken"):
            lifecycle.start(lab, Compute.FAKE, print)
    assert list(lab.run.iterdir()) == []


def test_a_service_that_ends_at_once_fails_the_start_with_its_last_words(lab: Lab) -> None:
    program = """
from lab.openstack import lifecycle
from lab.openstack.services import Service, Task

doomed = Service("doomed", Command(("sh", "-c", "echo no database; exit 1")), answers=lambda: False)
lifecycle.plan = lambda *_: (doomed, Task("all", print, waits_for=("doomed",)))
lifecycle.start(lab, None, print)
"""
    ended = in_another_process(lab, program)
    assert re.search(r"Unavailable: doomed has ended; .*doomed.log:\n  no database$", ended.stderr.strip())


def test_a_bridge_that_another_lab_made_is_left_alone(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge, "_ip", lambda *words: pytest.fail(f"ip {words}"))
    bridge.down(lab)


def test_a_process_outlives_its_starter_and_is_ended_by_its_pid_file(lab: Lab) -> None:
    in_another_process(lab, "start(lab, 'sleeper', Command(('sleep', '60')))")
    number, _ = (lab.run / "sleeper.pid").read_text().split()
    pid = pid_of(int(number))
    assert pid is not None
    stop(lab, {"sleeper"})
    assert not pid.alive
    assert list(lab.run.iterdir()) == []


def test_what_a_dead_process_started_is_ended_too(lab: Lab) -> None:
    in_another_process(lab, "start(lab, 'parent', Command(('sh', '-c', 'sleep 60 & echo $!; kill -9 $$')))")
    log = lab.log / "parent.log"
    while not log.read_text().endswith("\n"):
        time.sleep(0.01)
    child = pid_of(int(log.read_text()))
    assert child is not None
    stop(lab, {"parent"})
    assert not child.alive


def test_a_question_that_is_not_answered_in_time_is_not_answered(lab: Lab) -> None:
    assert command_succeeds(lab, "true")
    assert not command_succeeds(lab, "false")
    assert not command_succeeds(lab, "sleep", "60", seconds=0.01)


def test_a_later_process_with_the_same_number_is_left_alone(lab: Lab) -> None:
    with subprocess.Popen(("sleep", "60"), start_new_session=True) as other:
        now = pid_of(other.pid)
        assert now is not None
        (lab.run / "gone.pid").write_text(f"{now.number} {now.born - 1}\n")
        stop(lab, {"gone"})
        assert now.alive
        assert not Pid(now.number, now.born - 1).alive
        other.kill()


def test_guests_are_ended_and_no_other_process_that_has_the_number_of_one(lab: Lab) -> None:
    files = lab.folder / "libvirt/run/qemu"
    files.mkdir(parents=True)
    guest = ("sh", "-c", "read line", f"{lab.folder}/nova-real/instances/1/disk")
    with (
        subprocess.Popen(guest, stdin=subprocess.PIPE) as ours,
        subprocess.Popen(("sleep", "60")) as other,
    ):
        (files / "instance-1.pid").write_text(f"{ours.pid}\n")
        (files / "instance-2.pid").write_text(f"{other.pid}\n")
        lifecycle.stop(lab)
        assert ours.wait() != 0
        assert other.poll() is None
        other.kill()


def test_destroy_ends_what_runs_and_removes_all_that_was_written(lab: Lab) -> None:
    in_another_process(lab, "lab.configure(); start(lab, 'sleeper', Command(('sleep', '60')))")
    pid = pid_of(int((lab.run / "sleeper.pid").read_text().split()[0]))
    assert pid is not None
    lifecycle.destroy(lab)
    assert not pid.alive
    assert not lab.folder.exists()
    lifecycle.destroy(lab)

"""Start, stop and look at the lab."""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from burstlens.errors import Misconfigured, Unavailable
from lab.openstack import bridge, processes
from lab.openstack.layout import Lab
from lab.openstack.probes import port_answers
from lab.openstack.processes import Pid, pid_of, pids
from lab.openstack.services import Compute, Service, Task, backends, computes, openstack, plan

_START_SECONDS = 300.0
"""On an idle machine none takes ten."""


def start(lab: Lab, compute: Compute, tell: Callable[[str], None]) -> None:
    """Start what does not run yet, and return once the cloud can be used.

    Args:
        lab: installed.
        compute: what runs servers.
        tell: is told what has been reached.

    Raises:
        Misconfigured: a port is taken.
        Unavailable: a part does not come up; the text has the last lines of its log.
    """
    lab.make_folders()
    lab.configure()
    begun = plan(lab, compute)
    services = {part.name: part for part in begun if isinstance(part, Service)}
    reached: set[str] = set()
    for part in begun:
        for need in part.waits_for:
            if need in services and need not in reached:
                _wait(lab, services[need])
                reached.add(need)
                tell(f"{need} answers")
        if isinstance(part, Task):
            part.run()
            tell(f"{part.name} done")
        else:
            _begin(lab, part)


def stop(lab: Lab) -> None:
    """End every process of the lab, its guests too, and remove the bridge. Idempotent."""
    last = {service.name for service in backends(lab)} | {"libvirtd"}
    processes.stop(lab, set(pids(lab)) - last)
    _end_guests(lab)
    processes.stop(lab, last)
    bridge.down(lab)


def destroy(lab: Lab) -> None:
    """Stop, and remove all that the lab has written. Debian's packages stay."""
    stop(lab)
    if lab.folder.exists():
        shutil.rmtree(lab.folder)


@dataclass(frozen=True, slots=True)
class State:
    """What is known of a service.

    Attributes:
        name: of the service.
        state: ``up``, ``starting`` (it runs and does not answer), ``died`` or ``stopped``.
        pid: while it runs.
        resident_bytes: memory of it and of what it started.
    """

    name: str
    state: str
    pid: int | None
    resident_bytes: int


def status(lab: Lab) -> list[State]:
    """The state of every service of the lab, in the order in which they start; of a compute, if it was started."""
    there = pids(lab)
    every = (*backends(lab), *openstack(lab), *(node for compute in Compute for node in computes(lab, compute)))
    always = {service.name for service in (*backends(lab), *openstack(lab))}
    return [_state(service, there.get(service.name)) for service in every if service.name in always | set(there)]


def _state(service: Service, pid: Pid | None) -> State:
    if pid is None:
        return State(service.name, "stopped", None, 0)
    if not pid.alive:
        return State(service.name, "died", None, 0)
    state = "up" if service.answers() else "starting"
    return State(service.name, state, pid.number, pid.resident_bytes())


def _begin(lab: Lab, service: Service) -> None:
    pid = pids(lab).get(service.name)
    if pid is not None and pid.alive:
        return
    if service.port is not None and port_answers(service.port):
        message = f"port {service.port} of {service.name} is taken by something that is not this lab's: end that first"
        raise Misconfigured(message)
    processes.start(lab, service.name, service.command)


def _wait(lab: Lab, service: Service) -> None:
    deadline = time.monotonic() + _START_SECONDS
    pid = pids(lab)[service.name]
    while not service.answers():
        if not pid.alive or time.monotonic() > deadline:
            what = "does not answer" if pid.alive else "has ended"
            message = f"{service.name} {what}; {processes.last_lines(lab, service.name)}"
            raise Unavailable(message)
        time.sleep(0.2)


def _end_guests(lab: Lab) -> None:
    """Guests are libvirtd's, and would outlive it."""
    guests = []
    for path in (lab.folder / "libvirt/run/qemu").glob("*.pid"):
        pid = pid_of(int(path.read_text()))
        if pid is not None and f"{lab.folder}/".encode() in pid.command_line():
            guests.append(pid)
    for pid in guests:
        pid.signal(signal.SIGTERM)
    processes.until_gone(guests)

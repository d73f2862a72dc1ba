"""What the lab consists of, as data: what runs, and what each part waits for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from lab.openstack import bridge, content, databases
from lab.openstack.layout import (
    BRIDGE,
    EPMD_PORT,
    GLANCE,
    HERE,
    KEYSTONE,
    NEUTRON,
    NOVA,
    PLACEMENT,
    RABBITMQ_PEERS_PORT,
    RABBITMQ_PORT,
    REAL_HOST,
    Lab,
)
from lab.openstack.probes import api_answers, command_succeeds, lives, port_answers
from lab.openstack.processes import Command

_NAMESPACES = ("unshare", "--mount", "--propagation=private", "--uts")


class Compute(StrEnum):
    """What runs servers: nothing (the API behaves all the same), or QEMU."""

    FAKE = "fake"
    REAL = "real"


@dataclass(frozen=True, slots=True)
class Service:
    """A process that stays.

    Attributes:
        name: of its pid file and its log.
        command: what to run.
        waits_for: services that must answer, and tasks that must be done, before it starts.
        answers: whether it does its work.
        port: on loopback, which nobody else may have.
    """

    name: str
    command: Command
    waits_for: tuple[str, ...] = ()
    answers: Callable[[], bool] = field(default=lives)
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """Something that is done once everything it waits for answers; idempotent.

    Attributes:
        name: for those that wait for it.
        run: raises what makes a start fail.
        waits_for: as of a `Service`.
    """

    name: str
    run: Callable[[], None]
    waits_for: tuple[str, ...]


def backends(lab: Lab) -> tuple[Service, ...]:
    """What OpenStack itself stands on; the last to stop."""
    return (
        Service(
            "mariadb",
            Command(("mariadbd", f"--defaults-file={lab.etc}/mariadb.cnf")),
            waits_for=("data folder",),
            answers=partial(command_succeeds, lab, *databases.client(lab), "--execute=select 1"),
        ),
        Service(
            "epmd",
            Command(("epmd", "-address", "127.0.0.1", "-port", str(EPMD_PORT))),
            answers=partial(port_answers, EPMD_PORT),
            port=EPMD_PORT,
        ),
        Service(
            "rabbitmq",
            Command(
                # The script itself: the one in PATH wants another user.
                ("/usr/lib/rabbitmq/bin/rabbitmq-server",),
                {
                    "HOME": f"{lab.folder}/rabbitmq",
                    "ERL_EPMD_ADDRESS": "127.0.0.1",
                    "ERL_EPMD_PORT": str(EPMD_PORT),
                    "RABBITMQ_NODENAME": "lab@localhost",
                    "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                    "RABBITMQ_NODE_PORT": str(RABBITMQ_PORT),
                    "RABBITMQ_DIST_PORT": str(RABBITMQ_PEERS_PORT),
                    "RABBITMQ_MNESIA_BASE": f"{lab.folder}/rabbitmq",
                    "RABBITMQ_LOG_BASE": f"{lab.log}",
                    "RABBITMQ_ENABLED_PLUGINS_FILE": f"{lab.folder}/rabbitmq/plugins",
                    # One scheduler that does not spin, and peers (there are none) on loopback only.
                    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                        "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}"
                    ),
                },
            ),
            waits_for=("epmd",),
            answers=partial(port_answers, RABBITMQ_PORT),
            port=RABBITMQ_PORT,
        ),
    )


def openstack(lab: Lab) -> tuple[Service, ...]:
    """OpenStack without a compute."""
    return (
        _api(lab, "keystone", KEYSTONE, "keystone.wsgi.api", "databases"),
        _api(lab, "placement", PLACEMENT, "placement.wsgi.api", "databases"),
        _api(lab, "glance", GLANCE, "glance.wsgi.api", "databases"),
        _api(lab, "neutron", NEUTRON, "neutron.wsgi.api", "databases"),
        _api(lab, "nova-api", NOVA, "nova.wsgi.osapi_compute", "databases"),
        # Both look placement up in the catalog once, and remember for ever when it is not there yet.
        Service("nova-conductor", _nova(lab, "nova-conductor"), waits_for=("rabbitmq", "catalog")),
        Service("nova-scheduler", _nova(lab, "nova-scheduler"), waits_for=("rabbitmq", "catalog")),
    )


def computes(lab: Lab, compute: Compute) -> tuple[Service, ...]:
    """What runs servers."""
    needs = ("placement", "glance", "neutron", "nova-conductor")
    nova_compute = _nova(lab, "nova-compute", f"{lab.etc}/nova/{compute}.conf")
    if compute is Compute.FAKE:
        return (Service("compute-fake", nova_compute, waits_for=needs),)
    uri = f"qemu+unix:///system?socket={lab.folder}/libvirt/run/libvirt-sock"
    asks = f"import libvirt; libvirt.open({uri!r}).getInfo()"
    return (
        Service(
            "libvirtd",
            # In namespaces of its own, so that its folders in /etc, /run and /var are the lab's, and its host's name.
            Command((*_NAMESPACES, f"{HERE}/libvirtd.sh", str(lab.folder), REAL_HOST)),
            answers=partial(command_succeeds, lab, lab.tool("python"), "-c", asks),
        ),
        Service("taps", Command((lab.tool("python"), f"{HERE}/taps.py", BRIDGE)), waits_for=("bridge",)),
        Service("compute-real", nova_compute, waits_for=(*needs, "libvirtd", "taps")),
    )


def plan(lab: Lab, compute: Compute) -> tuple[Service | Task, ...]:
    """All parts in an order in which they can be started: each comes after what it waits for."""
    host = {Compute.FAKE: "fake", Compute.REAL: REAL_HOST}[compute]
    nodes = computes(lab, compute)
    return (
        Task("data folder", partial(databases.initialise, lab), waits_for=()),
        *backends(lab),
        Task("databases", partial(databases.migrate, lab), waits_for=("mariadb",)),
        *openstack(lab)[:5],
        Task("catalog", partial(content.fill_catalog, lab), waits_for=("keystone",)),
        *openstack(lab)[5:],
        *((Task("bridge", partial(bridge.up, lab), waits_for=()),) if compute is Compute.REAL else ()),
        *nodes,
        Task("content", partial(content.fill, lab, compute, host), waits_for=("nova-api", nodes[-1].name)),
    )


def _api(lab: Lab, name: str, url: str, module: str, *waits_for: str) -> Service:
    port = url.split(":")[2].partition("/")[0]
    words = (lab.tool("uwsgi"), "--ini", f"{lab.etc}/uwsgi.ini", "--http-socket", f"127.0.0.1:{port}", "--threads=6")
    return Service(
        name,
        Command((*words, "--module", f"{module}:application", "--procname-prefix", f"{name}-")),
        waits_for=waits_for,
        answers=partial(api_answers, f"http://127.0.0.1:{port}/"),
        port=int(port),
    )


def _nova(lab: Lab, tool: str, *more_files: str) -> Command:
    files = (f"{lab.etc}/nova/nova.conf", *more_files)
    return Command((lab.tool(tool), *(word for name in files for word in ("--config-file", name))))

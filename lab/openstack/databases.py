"""The databases: one of MariaDB for each of OpenStack's, with their tables."""

import shutil
from concurrent.futures import ThreadPoolExecutor

from lab.openstack.layout import KEYSTONE, REGION, Lab
from lab.openstack.processes import call

NAMES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova_cell1")


def client(lab: Lab) -> tuple[str, ...]:
    """The command line of a client."""
    return ("mariadb", f"--defaults-file={lab.etc}/mariadb.cnf")


def initialise(lab: Lab) -> None:
    """Make MariaDB's own tables, unless they are there. Raises Unavailable: it failed."""
    done = lab.folder / "mariadb.made"
    if not done.exists():
        # What an interrupted start has left is of no use.
        shutil.rmtree(lab.folder / "mariadb")
        _call(lab, "mariadb-install", "mariadb-install-db", f"--defaults-file={lab.etc}/mariadb.cnf", "--skip-test-db")
        done.touch()


def migrate(lab: Lab) -> None:
    """Make all databases and their tables, and keystone's first user; once.

    A start that was interrupted in the middle begins here again, without the tables that it had made: no migration can
    be relied upon to go on after half of one.

    Raises:
        Unavailable: it failed.
    """
    done = lab.folder / "databases.made"
    if done.exists():
        return
    remade = "drop database if exists {0}; create database {0} character set utf8mb3"
    statements = "; ".join(remade.format(name) for name in NAMES)
    _call(lab, "databases", *client(lab), f"--execute={statements}")
    with ThreadPoolExecutor() as threads:
        for made in [threads.submit(make, lab) for make in (_keystone_and_small_ones, _neutron, _nova)]:
            made.result()
    done.touch()


def discover_hosts(lab: Lab) -> None:
    """Tell nova which cell its new computes are in; only then does it give them servers. Idempotent; takes seconds."""
    _call(lab, "discover", *_nova_manage(lab), "cell_v2", "discover_hosts")


def _keystone_and_small_ones(lab: Lab) -> None:
    manage = (lab.tool("keystone-manage"), "--config-file", f"{lab.etc}/keystone/keystone.conf")
    owner = ("--keystone-user=root", "--keystone-group=root")
    _call(lab, "db-keystone", *manage, "db_sync")
    _call(lab, "db-keystone", *manage, "fernet_setup", *owner)
    _call(lab, "db-keystone", *manage, "credential_setup", *owner)
    urls = [f"--bootstrap-{interface}-url={KEYSTONE}" for interface in ("internal", "public", "admin")]
    _call(
        lab,
        "db-keystone",
        *(*manage, "bootstrap", f"--bootstrap-password={lab.password}", f"--bootstrap-region-id={REGION}", *urls),
    )
    placement = (lab.tool("placement-manage"), "--config-file", f"{lab.etc}/placement/placement.conf")
    _call(lab, "db-placement", *placement, "db", "sync")
    _call(lab, "db-glance", lab.tool("glance-manage"), "--config-file", f"{lab.etc}/glance/glance-api.conf", "db_sync")


def _neutron(lab: Lab) -> None:
    files = [f"--config-file={lab.etc}/neutron/{name}" for name in ("neutron.conf", "ml2.ini")]
    _call(lab, "db-neutron", lab.tool("neutron-db-manage"), *files, "upgrade", "heads")


def _nova(lab: Lab) -> None:
    manage = _nova_manage(lab)
    _call(lab, "db-nova", *manage, "api_db", "sync")
    url = f"mysql+pymysql://root@localhost/nova_cell0?unix_socket={lab.run}/mariadb.sock&charset=utf8mb4"
    _call(lab, "db-nova", *manage, "cell_v2", "map_cell0", "--database_connection", url)
    _call(lab, "db-nova", *manage, "db", "sync")
    _call(lab, "db-nova", *manage, "cell_v2", "create_cell", "--name=cell1")


def _nova_manage(lab: Lab) -> tuple[str, ...]:
    return (lab.tool("nova-manage"), "--config-file", f"{lab.etc}/nova/nova.conf")


def _call(lab: Lab, log: str, *words: str) -> None:
    """Run a command that dies with this process, and all that it started: none is at work on what is made anew."""
    call(
        lab, log, "setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *words
    )
